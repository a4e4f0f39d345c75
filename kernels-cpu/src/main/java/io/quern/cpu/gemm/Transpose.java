package io.quern.cpu.gemm;

import io.quern.cpu.Twins;
import io.quern.cpu.VectorTier;
import io.quern.runtime.Raw;

/** Transposition of matrices of floats. This class is the scalar twin. Thread-safe. */
public class Transpose {
  /** Bytes of scratch memory that {@link #run} needs: a square of the widest vectors. */
  public static final long SCRATCH = 4 * 16 * 16;

  /** Apart from the class itself, whose subclass is initialised here. */
  private static final class Chosen {
    static final Transpose INSTANCE = choose();

    private static Transpose choose() {
      if (MachineTranspose.isUsed()) {
        return new MachineTranspose();
      }
      if (!VectorTier.chosen().usesApi()) {
        return new Transpose();
      }
      return Twins.warms() ? new WarmingTranspose() : new VectorTranspose();
    }
  }

  Transpose() {}

  /** The implementation of this process. */
  public static Transpose chosen() {
    return Chosen.INSTANCE;
  }

  /**
   * Copies a matrix of {@code rows} by {@code columns} floats to the rows of its transpose.
   *
   * @param fromRow bytes from a row of the matrix to the next
   * @param toRow bytes from a row of the transpose to the next
   * @param scratch address of {@link #SCRATCH} bytes
   */
  public void run(
      long from, long fromRow, long rows, long columns, long to, long toRow, long scratch) {
    for (long i = 0; i < rows; i++) {
      long target = to + 4 * i;
      for (long at = from; at < from + 4 * columns; at += 4) {
        Raw.putFloat(target, Raw.getFloat(at));
        target += toRow;
      }
      from += fromRow;
    }
  }
}
