package io.quern.cpu.rows;

import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.Assembler;
import io.quern.cpu.asm.MachineFunction;
import io.quern.cpu.rows.RowCode.Argument;
import io.quern.runtime.Raw;
import java.util.Locale;
import java.util.function.Function;

/** An op on rows as machine code, for processes that have it. Thread-safe. */
enum MachineRows {
  SOFTMAX(RowCode::softmax),
  LAYER_NORM(RowCode::layerNorm),
  RMS_NORM(RowCode::rmsNorm);

  private static final int LINE = 64;
  private static final int LANES = 16;
  private static final int BLOCK = 4 * LANES;

  private final MachineFunction cached;
  private final MachineFunction streamed;

  MachineRows(Function<RowCode, Assembler> code) {
    String name = name().toLowerCase(Locale.ROOT);
    this.cached = MachineTier.place(name, code.apply(new RowCode(false)));
    this.streamed = MachineTier.place("streamed " + name, code.apply(new RowCode(true)));
  }

  /** Bytes of scratch memory that a call needs. */
  static long scratchBytes(long length) {
    return RowMath.SCRATCH + 8 * length;
  }

  /**
   * Computes rows of contiguous floats.
   *
   * @param gamma address of the factors of a row, where the op has them
   * @param beta address of what is added to a row, likewise
   * @param streams whether the result is better stored past the caches
   * @param length of a row
   */
  void run(
      long x,
      long gamma,
      long beta,
      long to,
      float epsilon,
      boolean streams,
      long length,
      long rows,
      long scratch) {
    put(scratch, Argument.X, x);
    put(scratch, Argument.TO, to);
    put(scratch, Argument.ROWS, rows);
    put(scratch, Argument.ROW_BYTES, 4 * length);
    put(scratch, Argument.VECTOR_BYTES, length / LANES * LANES * 4);
    put(scratch, Argument.BLOCK_BYTES, length / BLOCK * BLOCK * 4);
    put(scratch, Argument.REST, (1L << length % LANES) - 1);
    put(scratch, Argument.GAMMA, gamma);
    put(scratch, Argument.BETA, beta);
    put(scratch, Argument.KEPT, scratch + RowMath.SCRATCH);
    put(scratch, Argument.LENGTH, Float.floatToRawIntBits((float) length));
    put(scratch, Argument.EPSILON, Float.floatToRawIntBits(epsilon));
    boolean lines = to % LINE == 0 && length % LANES == 0;
    MachineFunction code = streams && lines ? streamed : cached;
    code.call(scratch);
  }

  private static void put(long table, Argument argument, long value) {
    Raw.putLong(table + argument.offset, value);
  }
}
