package io.quern.cpu.elementwise;

import static io.quern.cpu.asm.Reg.R8;
import static io.quern.cpu.asm.Reg.RAX;
import static io.quern.cpu.asm.Reg.RCX;
import static io.quern.cpu.asm.Reg.RDI;
import static io.quern.cpu.asm.Reg.RDX;
import static io.quern.cpu.asm.Reg.RSI;
import static io.quern.cpu.asm.VectorOp.VBROADCASTSS;
import static io.quern.cpu.asm.VectorOp.VCVTDQ2PS;
import static io.quern.cpu.asm.VectorOp.VMOVUPS;
import static io.quern.cpu.asm.VectorOp.VMULPS;
import static io.quern.cpu.asm.VectorOp.VPADDD;
import static io.quern.cpu.asm.VectorOp.VPADDQ;
import static io.quern.cpu.asm.VectorOp.VPMULUDQ;
import static io.quern.cpu.asm.VectorOp.VPTERNLOGD;
import static io.quern.cpu.asm.VectorOp.VSHUFPS;

import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.Assembler;
import io.quern.cpu.asm.Assembler.Shift;
import io.quern.cpu.asm.MachineFunction;
import io.quern.cpu.asm.Mask;
import io.quern.cpu.asm.Mem;
import io.quern.cpu.asm.Vec;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Philox;
import io.quern.runtime.Raw;

/**
 * Uniform numbers by machine code. A quarter of a vector is a block of {@link Philox}, its words
 * side by side: one multiplication gives both products of a round, in the order low 0, high 0, low
 * 1, high 1, which backwards is the next block but for what is added to its even words.
 */
final class MachineUniform {
  private static final int BITS = 512;
  private static final int BYTES = BITS / 8;
  private static final int LANES = BITS / 32;
  private static final int QUARTERS = 4;

  /** Vectors side by side, which wait for each other's multiplications. */
  private static final int COPIES = 4;

  /** Numbers of {@link Assembler#op} for elements 3, 2, 1, 0 and 1, 1, 3, 3 of each quarter. */
  private static final int BACKWARDS = 0x1B;

  private static final int ODD = 0xF5;

  /** That for the exclusive or of three vectors. */
  private static final int XOR = 0x96;

  private static final int UNUSED_BITS = 8;

  private static final Mask REST = new Mask(1);
  private static final Mask EVEN = new Mask(2);
  private static final int EVEN_BITS = 0x5555;

  private static final Vec COUNTERS = Vec.of(16, BITS);
  private static final Vec STEP = Vec.of(17, BITS);
  private static final Vec KEY = Vec.of(18, BITS);
  private static final Vec KEY_STEP = Vec.of(19, BITS);
  private static final Vec FACTORS = Vec.of(20, BITS);
  private static final Vec UNIT = Vec.of(21, BITS);
  private static final Vec ROUND_KEY = Vec.of(22, BITS);

  private static final MachineFunction FUNCTION = place();

  private MachineUniform() {}

  /**
   * Writes {@code (word >>> 8) / 2^24} of the words of consecutive blocks.
   *
   * @param counter of the first block
   * @param count of floats at {@code to}
   */
  static void draw(long seed, long counter, long to, long count) {
    MemoryPool.Block block = HostMemory.shared().allocate(5L * BYTES);
    long vectors = block.address();
    for (int i = 0; i < QUARTERS; i++) {
      long quarter = vectors + 16L * i;
      putPair(quarter, counter + i, 0);
      putPair(quarter + BYTES, QUARTERS, 0);
      putPair(quarter + 2 * BYTES, seed & 0xFFFFFFFFL, seed >>> 32);
      putPair(quarter + 3 * BYTES, word(Philox.W0), word(Philox.W1));
      putPair(quarter + 4 * BYTES, word(Philox.M0), word(Philox.M1));
    }
    long many = count / (COPIES * LANES) * (COPIES * LANES);
    long whole = count / LANES * LANES;
    FUNCTION.call(to, many, whole, (1L << count % LANES) - 1, vectors);
    HostMemory.shared().free(block);
  }

  private static void putPair(long at, long first, long second) {
    Raw.putLong(at, first);
    Raw.putLong(at + Long.BYTES, second);
  }

  private static long word(int bits) {
    return bits & 0xFFFFFFFFL;
  }

  private static MachineFunction place() {
    Assembler asm = new Assembler();
    asm.kmov(REST, RCX);
    asm.sub(RAX, RAX);
    asm.add(RAX, EVEN_BITS);
    asm.kmov(EVEN, RAX);
    Vec[] vectors = {COUNTERS, STEP, KEY, KEY_STEP, FACTORS};
    for (int i = 0; i < vectors.length; i++) {
      asm.op(VMOVUPS, vectors[i], Mem.at(R8, i * BYTES));
    }
    asm.op(VBROADCASTSS, UNIT, asm.constant(0x1p-24f));
    asm.sub(RAX, RAX);
    asm.loop(RAX, RSI, COPIES * LANES, () -> write(asm, COPIES, Mask.ALL));
    asm.loop(RAX, RDX, LANES, () -> write(asm, 1, Mask.ALL));
    asm.unlessZero(RCX, () -> write(asm, 1, REST));
    asm.vzeroupper();
    asm.ret();
    return MachineTier.place("random_uniform_f32", asm);
  }

  /** Numbers from element RAX on. */
  private static void write(Assembler asm, int copies, Mask mask) {
    for (int i = 0; i < copies; i++) {
      asm.op(VMOVUPS, words(i), COUNTERS);
      asm.op(VPADDQ, COUNTERS, COUNTERS, STEP);
    }
    asm.op(VMOVUPS, ROUND_KEY, KEY);
    for (int round = 0; round < Philox.ROUNDS; round++) {
      for (int i = 0; i < copies; i++) {
        asm.op(VPMULUDQ, products(i), words(i), FACTORS);
        asm.op(VSHUFPS, words(i).zeroed(EVEN), words(i), words(i), ODD);
        asm.op(VSHUFPS, products(i), products(i), products(i), BACKWARDS);
        asm.op(VPTERNLOGD, words(i), products(i), ROUND_KEY, XOR);
      }
      asm.op(VPADDD, ROUND_KEY, ROUND_KEY, KEY_STEP);
    }
    for (int i = 0; i < copies; i++) {
      asm.shift(Shift.VPSRLD, words(i), words(i), UNUSED_BITS);
      asm.op(VCVTDQ2PS, words(i), words(i));
      asm.op(VMULPS, words(i), words(i), UNIT);
      asm.op(VMOVUPS, Mem.at(RDI, RAX, 4).plus(i * BYTES), words(i).masked(mask));
    }
  }

  private static Vec words(int copy) {
    return Vec.of(copy, BITS);
  }

  private static Vec products(int copy) {
    return Vec.of(COPIES + copy, BITS);
  }
}
