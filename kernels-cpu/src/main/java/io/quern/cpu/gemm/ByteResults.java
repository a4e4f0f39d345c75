package io.quern.cpu.gemm;

import static io.quern.cpu.asm.VectorOp.VCVTDQ2PS;
import static io.quern.cpu.asm.VectorOp.VCVTPS2DQ;
import static io.quern.cpu.asm.VectorOp.VMAXPS;
import static io.quern.cpu.asm.VectorOp.VMINPS;
import static io.quern.cpu.asm.VectorOp.VMULPS;
import static io.quern.cpu.asm.VectorOp.VPADDD;
import static io.quern.cpu.asm.VectorOp.VPMOVDB;

import io.quern.cpu.asm.Assembler;
import io.quern.cpu.asm.Mem;
import io.quern.cpu.asm.Reg;
import io.quern.cpu.asm.Vec;
import io.quern.op.Quantization;
import io.quern.runtime.Raw;

/**
 * How sums of products of bytes become bytes: each row of sums has an integer that is added and a
 * float that is multiplied, and all have the limits of a {@link Quantization}.
 */
public final class ByteResults {
  /** Bytes that say what is done to a row. */
  public static final int ROW = 8;

  /** Bytes of the limits. */
  public static final int LIMITS = 12;

  private static final int SCALE_AT = 4;
  private static final int HIGH_AT = 4;
  private static final int ZERO_AT = 8;

  private ByteResults() {}

  /** Writes what is done to a row. */
  public static void putRow(long to, int addend, float scale) {
    Raw.putInt(to, addend);
    Raw.putFloat(to + SCALE_AT, scale);
  }

  /** Writes the limits. */
  public static void putLimits(long to, Quantization result) {
    Raw.putFloat(to, result.low() - result.zero());
    Raw.putFloat(to + HIGH_AT, result.high() - result.zero());
    Raw.putInt(to + ZERO_AT, result.zero());
  }

  /**
   * Code that stores the bytes of a vector of sums.
   *
   * @param row address of what is done to its row
   * @param limits address of the limits
   * @param stored the vector with the mask of what is stored
   */
  static void store(Assembler asm, Vec sum, Reg row, Reg limits, Mem to, Vec stored) {
    asm.op(VPADDD, sum, sum, Mem.at(row).repeated(sum.bits()));
    asm.op(VCVTDQ2PS, sum, sum);
    asm.op(VMULPS, sum, sum, Mem.at(row, SCALE_AT).repeated(sum.bits()));
    round(asm, sum, limits);
    asm.op(VPMOVDB, to, stored);
  }

  /** Code that makes integers of floats: limited, rounded and moved by the zero point. */
  public static void round(Assembler asm, Vec x, Reg limits) {
    asm.op(VMAXPS, x, x, Mem.at(limits).repeated(x.bits()));
    asm.op(VMINPS, x, x, Mem.at(limits, HIGH_AT).repeated(x.bits()));
    asm.op(VCVTPS2DQ, x, x);
    asm.op(VPADDD, x, x, Mem.at(limits, ZERO_AT).repeated(x.bits()));
  }
}
