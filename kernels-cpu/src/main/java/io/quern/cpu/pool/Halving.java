package io.quern.cpu.pool;

import io.quern.DType;
import io.quern.backend.Operands;
import io.quern.cpu.MachineTier;
import io.quern.cpu.Trial;
import io.quern.cpu.Twins;
import io.quern.runtime.Raw;

/**
 * Maxima of windows of 2x2 side by side, the usual pooling, and their gradient: pairs of image rows
 * at a time. This class is the scalar twin. Thread-safe.
 */
class Halving {
  /** Apart from the class itself, whose subclass is initialised here. */
  private static final class Chosen {
    private static final int TRIAL = 256;
    private static final int TIMES = 10;

    static final Twins<Halving> TWINS =
        MachineTier.has512Bits()
            ? Twins.only(new MachineHalving(false))
            : Twins.ofKernel(
                "pooling by halves",
                Halving::new,
                () -> new VectorHalving(),
                one -> Trial.run(3, TRIAL, operands -> tryOut(one, operands)));

    private static void tryOut(Halving one, Operands o) {
      for (int i = 0; i < TIMES; i++) {
        tryOut(one, o, 3, 20);
        tryOut(one, o, 20, 3);
      }
    }

    private static void tryOut(Halving one, Operands o, int rows, int windows) {
      long row = 8L * windows;
      one.max(o.address(0), row, rows, windows, o.address(1));
      one.grad(o.address(0), row, rows, windows, o.address(1), o.address(2));
    }
  }

  /** Apart from the class itself, for processes with machine code. */
  private static final class OfBrainFloats {
    static final Twins<Halving> TWINS = Twins.only(new MachineHalving(true));
  }

  /** The implementations of this process, of floats or BF16. */
  static Twins<Halving> twins(DType dtype) {
    return dtype == DType.BF16 ? OfBrainFloats.TWINS : Chosen.TWINS;
  }

  /** Whether there is one for elements of a dtype. */
  static boolean covers(DType dtype) {
    return dtype == DType.F32 || (dtype == DType.BF16 && MachineTier.has512Bits());
  }

  /**
   * Maxima of the windows of {@code rows} pairs of image rows.
   *
   * @param row bytes of an image row
   * @param n windows of a pair
   */
  void max(long from, long row, long rows, long n, long to) {
    for (long i = 0; i < rows; i++) {
      for (long at = from; at < from + 8 * n; at += 8) {
        float upper = Math.max(Raw.getFloat(at), Raw.getFloat(at + 4));
        float lower = Math.max(Raw.getFloat(at + row), Raw.getFloat(at + row + 4));
        Raw.putFloat(to, Math.max(upper, lower));
        to += 4;
      }
      from += 2 * row;
    }
  }

  /**
   * Hands the gradients of the windows to their first maxima, 0 to the others; NaN is a maximum.
   *
   * @param row bytes of an image row
   * @param n windows of a pair of rows
   */
  void grad(long from, long row, long rows, long n, long gradient, long to) {
    for (long i = 0; i < rows; i++) {
      for (long at = 0; at < 8 * n; at += 8) {
        float a = Raw.getFloat(from + at);
        float b = Raw.getFloat(from + at + 4);
        float c = Raw.getFloat(from + row + at);
        float d = Raw.getFloat(from + row + at + 4);
        float max = Math.max(Math.max(a, b), Math.max(c, d));
        int isA = attains(a, max);
        int isB = attains(b, max) & ~isA;
        int isC = attains(c, max) & ~(isA | isB);
        int bits = Raw.getInt(gradient + at / 2);
        Raw.putInt(to + at, bits & isA);
        Raw.putInt(to + at + 4, bits & isB);
        Raw.putInt(to + row + at, bits & isC);
        Raw.putInt(to + row + at + 4, bits & ~(isA | isB | isC));
      }
      from += 2 * row;
      to += 2 * row;
      gradient += 4 * n;
    }
  }

  /**
   * Pairs of short rows that whole vectors may be taken for: what they write beyond a row is where
   * the next rows of the plane will be written, and what they read is the plane's.
   *
   * @param width elements of an image row
   * @param windows of a vector
   */
  static long wholeRows(long rows, long n, long width, int windows) {
    if (n == 0) {
      return 0;
    }
    long byWindows = rows - Math.ceilDiv(windows, n);
    long byColumns = Math.floorDiv(2 * rows - 1 - Math.ceilDiv(2L * windows, width), 2);
    return Math.max(0, Math.min(byWindows, byColumns) + 1);
  }

  /** All bits when {@code x} is the maximum; a mask, since a branch would be mispredicted. */
  private static int attains(float x, float max) {
    int equal = x == max ? -1 : 0;
    return Float.isNaN(x) ? -1 : equal;
  }
}
