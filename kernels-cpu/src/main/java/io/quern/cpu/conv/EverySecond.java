package io.quern.cpu.conv;

import io.quern.cpu.VectorTier;
import io.quern.runtime.Raw;

/**
 * Copies every second float, for windows of stride 2. This class is the scalar twin. Thread-safe.
 */
public class EverySecond {
  /** Apart from the class itself, whose subclass is initialised here. */
  private static final class Chosen {
    static final EverySecond INSTANCE =
        VectorTier.chosen().isVector() ? new VectorEverySecond() : new EverySecond();
  }

  /** The implementation of this process. */
  public static EverySecond chosen() {
    return Chosen.INSTANCE;
  }

  /** Copies {@code count} floats that are 8 bytes apart. */
  public void copy(long from, long count, long to) {
    for (long i = 0; i < count; i++) {
      Raw.putFloat(to + 4 * i, Raw.getFloat(from + 8 * i));
    }
  }

  /** The same for rows, which are so many bytes apart. */
  public void copyRows(long from, long fromRow, long to, long toRow, long rows, long count) {
    for (long i = 0; i < rows; i++) {
      copy(from + i * fromRow, count, to + i * toRow);
    }
  }
}
