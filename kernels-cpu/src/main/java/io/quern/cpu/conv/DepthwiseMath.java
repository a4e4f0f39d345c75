package io.quern.cpu.conv;

import io.quern.cpu.Trial;
import io.quern.cpu.Twins;
import io.quern.runtime.Raw;

/** The inner loops of depthwise convolutions. This class is the scalar twin. Thread-safe. */
class DepthwiseMath {
  /** Positions of {@link #filter} are a multiple of these. */
  static final int POSITIONS = 64;

  /** Lanes of {@link #correlate}. */
  static final int LANES = 16;

  private static final int TRIAL = 256;

  /** Apart from the class itself, whose subclass is initialised here. */
  private static final class Chosen {
    static final Twins<DepthwiseMath> TWINS =
        Twins.ofKernel(
            "depthwise convolutions",
            DepthwiseMath::new,
            () -> new VectorDepthwiseMath(),
            math ->
                Trial.run(
                    5,
                    TRIAL,
                    o -> {
                      for (int tap = 0; tap < 9; tap++) {
                        Raw.putInt(o.address(4) + 4L * tap, 4 * 7 * tap);
                      }
                      math.filter(o.address(0), o.address(4), o.address(1), 9, o.address(2), 192);
                      int[] offsets = {0, 4, 8};
                      math.correlate(o.address(0), offsets, 96, o.address(2), 7, 21, o.address(3));
                    }));
  }

  DepthwiseMath() {}

  /** The implementations of this process. */
  static Twins<DepthwiseMath> twins() {
    return Chosen.TWINS;
  }

  /**
   * For {@code count} positions, a multiple of {@value #POSITIONS}, the sum over the taps, in
   * order, of a weight times the float that is the tap's offset behind the position.
   *
   * @param offsets address of an int for each tap, in bytes
   * @param weights address of a float for each tap
   */
  void filter(long plane, long offsets, long weights, int taps, long out, int count) {
    for (long at = 0; at < 4L * count; at += 4) {
      float sum = 0;
      for (int tap = 0; tap < taps; tap++) {
        long from = plane + Raw.getInt(offsets + 4L * tap) + at;
        sum = Math.fma(Raw.getFloat(weights + 4L * tap), Raw.getFloat(from), sum);
      }
      Raw.putFloat(out + at, sum);
    }
  }

  /**
   * For each tap, adds the products of a matrix with the elements of a plane that the tap finds:
   * those of column i to lane {@code i % 16}, row by row.
   *
   * @param offsets where each tap finds its elements, in bytes from those of a position
   * @param pitch bytes between rows of positions
   * @param matrix address of rows without gaps
   * @param lanes address of {@value #LANES} floats for each tap
   */
  void correlate(
      long plane, int[] offsets, long pitch, long matrix, int rows, int columns, long lanes) {
    for (int tap = 0; tap < offsets.length; tap++) {
      for (int row = 0; row < rows; row++) {
        for (int column = 0; column < columns; column++) {
          float x = Raw.getFloat(plane + offsets[tap] + row * pitch + 4L * column);
          float y = Raw.getFloat(matrix + 4L * ((long) row * columns + column));
          long lane = lanes + 4L * (LANES * tap + column % LANES);
          Raw.putFloat(lane, Math.fma(x, y, Raw.getFloat(lane)));
        }
      }
    }
  }
}
