package io.quern.cpu.elementwise;

import static io.quern.cpu.asm.Reg.R8;
import static io.quern.cpu.asm.Reg.R9;
import static io.quern.cpu.asm.Reg.RAX;
import static io.quern.cpu.asm.Reg.RCX;
import static io.quern.cpu.asm.Reg.RDI;
import static io.quern.cpu.asm.Reg.RDX;
import static io.quern.cpu.asm.Reg.RSI;
import static io.quern.cpu.asm.VectorOp.VADDPS;
import static io.quern.cpu.asm.VectorOp.VCVTDQ2PS;
import static io.quern.cpu.asm.VectorOp.VMULPS;
import static io.quern.cpu.asm.VectorOp.VPMOVDB;
import static io.quern.cpu.asm.VectorOp.VPMOVZXBD;
import static io.quern.cpu.asm.VectorOp.VPXORD;
import static io.quern.cpu.asm.VectorOp.VSUBPS;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.Assembler;
import io.quern.cpu.asm.MachineFunction;
import io.quern.cpu.asm.Mask;
import io.quern.cpu.asm.Mem;
import io.quern.cpu.asm.Reg;
import io.quern.cpu.asm.Vec;
import io.quern.cpu.gemm.ByteResults;
import io.quern.op.QuantizedAdd;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;
import java.lang.foreign.Arena;
import org.jspecify.annotations.Nullable;

/** QuantizedAdd of contiguous bytes of one shape, by machine code. Immutable and thread-safe. */
public final class QuantizedAddKernel implements Kernel {
  private static final int BITS = 512;
  private static final int LANES = BITS / 32;

  /** Elements of a task. */
  private static final int CHUNK = 1 << 16;

  /** What makes unsigned bytes of signed ones. */
  private static final int SHIFT = 128;

  // Where the numbers of an input are, behind the limits of the result.
  private static final int FLIP = 0;
  private static final int ZERO = 4;
  private static final int SCALE = 8;
  private static final int NUMBERS = 12;

  /** Apart from the class itself, for processors that have the instructions. */
  private static final class Code {
    static final MachineFunction ADD = MachineTier.place("quantized_add", write());
  }

  private final long count;
  private final Arena owner = Arena.ofAuto();
  private final long numbers;
  private final Workers.Task<Operands> task = this::add;

  QuantizedAddKernel(QuantizedAdd op, DType a, DType b, long count) {
    this.count = count;
    this.numbers = owner.allocate(ByteResults.LIMITS + 2L * NUMBERS, 64).address();
    ByteResults.putLimits(numbers, op.result());
    put(0, a, op.zeroA(), op.scaleA());
    put(1, b, op.zeroB(), op.scaleB());
  }

  private void put(int input, DType dtype, int zero, float scale) {
    long to = numbers + ByteResults.LIMITS + (long) input * NUMBERS;
    boolean isSigned = dtype == DType.I8;
    Raw.putInt(to + FLIP, isSigned ? SHIFT : 0);
    Raw.putFloat(to + ZERO, isSigned ? zero + SHIFT : zero);
    Raw.putFloat(to + SCALE, scale);
  }

  /** The kernel for {@code key}, or null when an operand does not fit. */
  public static @Nullable Kernel create(KernelKey key) {
    return key.op() instanceof QuantizedAdd op
            && MachineTier.has512Bits()
            && key.isContiguous()
            && key.shape(0).equals(key.shape(1))
        ? new QuantizedAddKernel(op, key.dtype(0), key.dtype(1), key.output().shape().size())
        : null;
  }

  @Override
  public void run(Operands operands) {
    Workers.shared().run(task, operands, Math.toIntExact((count + CHUNK - 1) / CHUNK));
  }

  private void add(Operands call, int chunk) {
    long first = (long) chunk * CHUNK;
    long n = Math.min(CHUNK, count - first);
    add(call.address(0) + first, call.address(1) + first, call.address(2) + first, n);
  }

  /** Adds so many elements. */
  void add(long a, long b, long to, long n) {
    long whole = n / LANES * LANES;
    Code.ADD.call(a, b, to, whole, (1L << n % LANES) - 1, numbers, 0, 0);
  }

  /**
   * A function of the addresses of both inputs and of the result, the bytes of whole vectors, a bit
   * for each byte beyond them, and the address of the numbers.
   */
  private static Assembler write() {
    Assembler asm = new Assembler();
    Mask rest = new Mask(1);
    asm.kmov(rest, R8);
    asm.sub(RAX, RAX);
    asm.loop(RAX, RCX, LANES, () -> add(asm, Mask.ALL));
    asm.unlessZero(R8, () -> add(asm, rest));
    asm.vzeroupper();
    asm.ret();
    return asm;
  }

  private static void add(Assembler asm, Mask mask) {
    Vec a = Vec.of(0, BITS);
    Vec b = Vec.of(1, BITS);
    load(asm, a, RDI, ByteResults.LIMITS, mask);
    load(asm, b, RSI, ByteResults.LIMITS + NUMBERS, mask);
    asm.op(VADDPS, a, a, b);
    ByteResults.round(asm, a, R9);
    asm.op(VPMOVDB, Mem.at(RDX, RAX, 1), a.masked(mask));
  }

  private static void load(Assembler asm, Vec to, Reg from, int numbers, Mask mask) {
    asm.op(VPMOVZXBD, mask.equals(Mask.ALL) ? to : to.zeroed(mask), Mem.at(from, RAX, 1));
    asm.op(VPXORD, to, to, Mem.at(R9, numbers + FLIP).repeated(BITS));
    asm.op(VCVTDQ2PS, to, to);
    asm.op(VSUBPS, to, to, Mem.at(R9, numbers + ZERO).repeated(BITS));
    asm.op(VMULPS, to, to, Mem.at(R9, numbers + SCALE).repeated(BITS));
  }

  @Override
  public String name() {
    return "quantized_add_asm";
  }
}
