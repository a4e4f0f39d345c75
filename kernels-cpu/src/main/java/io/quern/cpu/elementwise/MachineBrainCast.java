package io.quern.cpu.elementwise;

import static io.quern.cpu.asm.Reg.RAX;
import static io.quern.cpu.asm.Reg.RCX;
import static io.quern.cpu.asm.Reg.RDI;
import static io.quern.cpu.asm.Reg.RDX;
import static io.quern.cpu.asm.Reg.RSI;
import static io.quern.cpu.asm.VectorOp.VBROADCASTSS;
import static io.quern.cpu.asm.VectorOp.VMOVUPS;
import static io.quern.cpu.asm.VectorOp.VPADDD;
import static io.quern.cpu.asm.VectorOp.VPANDD;
import static io.quern.cpu.asm.VectorOp.VPMOVDW;
import static io.quern.cpu.asm.VectorOp.VPMOVZXWD;
import static io.quern.cpu.asm.VectorOp.VPORD;

import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.Assembler;
import io.quern.cpu.asm.Assembler.Shift;
import io.quern.cpu.asm.MachineFunction;
import io.quern.cpu.asm.Mask;
import io.quern.cpu.asm.Mem;
import io.quern.cpu.asm.Vec;
import java.util.function.Consumer;

/**
 * BF16 to floats by machine code, and floats to BF16, to the nearest, ties to even; NaN stays NaN.
 * The instruction that rounds would take subnormal numbers for zero.
 */
final class MachineBrainCast implements Loop {
  private static final int BITS = 512;
  private static final int LANES = BITS / 32;
  private static final int HALF = 16;
  private static final int UNORDERED = 3;
  private static final Mask REST = new Mask(1);
  private static final Mask NAN = new Mask(2);
  private static final Vec X = Vec.of(0, BITS);
  private static final Vec ROUNDED = Vec.of(1, BITS);
  private static final Vec LOWEST = Vec.of(2, BITS);
  private static final Vec BELOW_HALF = Vec.of(3, BITS);
  private static final Vec QUIET = Vec.of(4, BITS);

  /** From BF16. */
  static final Loop WIDEN = new MachineBrainCast("cast_bf16_f32", widening());

  /** To BF16. */
  static final Loop ROUND = new MachineBrainCast("cast_f32_bf16", rounding());

  private final MachineFunction code;

  private MachineBrainCast(String name, Assembler code) {
    this.code = MachineTier.place(name, code);
  }

  /** A function of both addresses, of elements of whole vectors, and a bit for each one of rest. */
  private static Assembler widening() {
    Assembler asm = new Assembler();
    Mem from = Mem.at(RDI, RAX, 2);
    Mem to = Mem.at(RSI, RAX, 4);
    write(
        asm,
        mask -> {
          asm.op(VPMOVZXWD, X.zeroed(mask), from);
          asm.shift(Shift.VPSLLD, X, X, HALF);
          asm.op(VMOVUPS, to, X.masked(mask));
        });
    return asm;
  }

  /** The same the other way. */
  private static Assembler rounding() {
    Assembler asm = new Assembler();
    Mem from = Mem.at(RDI, RAX, 4);
    Mem to = Mem.at(RSI, RAX, 2);
    asm.op(VBROADCASTSS, LOWEST, asm.constantBits(1));
    asm.op(VBROADCASTSS, BELOW_HALF, asm.constantBits(0x7FFF));
    asm.op(VBROADCASTSS, QUIET, asm.constantBits(0x400000));
    write(
        asm,
        mask -> {
          asm.op(VMOVUPS, X.zeroed(mask), from);
          asm.compare(NAN, X, X, UNORDERED);
          asm.shift(Shift.VPSRLD, ROUNDED, X, HALF);
          asm.op(VPANDD, ROUNDED, ROUNDED, LOWEST);
          asm.op(VPADDD, ROUNDED, ROUNDED, BELOW_HALF);
          asm.op(VPADDD, ROUNDED, ROUNDED, X);
          asm.op(VPORD, ROUNDED.masked(NAN), X, QUIET);
          asm.shift(Shift.VPSRLD, ROUNDED, ROUNDED, HALF);
          asm.op(VPMOVDW, to, ROUNDED.masked(mask));
        });
    return asm;
  }

  /** Whole vectors, from element RAX on, then what is left. */
  private static void write(Assembler asm, Consumer<Mask> vector) {
    asm.kmov(REST, RCX);
    asm.sub(RAX, RAX);
    asm.loop(RAX, RDX, LANES, () -> vector.accept(Mask.ALL));
    asm.unlessZero(RCX, () -> vector.accept(REST));
    asm.vzeroupper();
    asm.ret();
  }

  @Override
  public void run(long a, long b, long c, long out, long n) {
    code.call(a, out, n / LANES * LANES, (1L << n % LANES) - 1);
  }
}
