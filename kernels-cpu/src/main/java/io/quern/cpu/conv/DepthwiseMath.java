package io.quern.cpu.conv;

import io.quern.cpu.Trial;
import io.quern.cpu.Twins;
import io.quern.runtime.Raw;

/** The inner loops of depthwise convolutions. This class is the scalar twin. Thread-safe. */
class DepthwiseMath {
  /** Lanes of {@link #correlate}, as many as those of a sum. */
  static final int LANES = 64;

  private static final int TRIAL = 256;

  /** Apart from the class itself, whose subclass is initialised here. */
  private static final class Chosen {
    static final Twins<DepthwiseMath> TWINS =
        Twins.ofKernel(
            "depthwise convolutions",
            DepthwiseMath::new,
            VectorDepthwiseMath::new,
            math ->
                Trial.run(
                    5,
                    TRIAL,
                    o -> {
                      for (int tap = 0; tap < 9; tap++) {
                        Raw.putInt(o.address(4) + 4L * tap, 4 * 7 * tap);
                      }
                      math.filter(o.address(0), o.address(4), o.address(1), 9, o.address(2), 192);
                      math.correlate(o.address(0), o.address(2), 192, o.address(3));
                    }));
  }

  DepthwiseMath() {}

  /** The implementations of this process. */
  static Twins<DepthwiseMath> twins() {
    return Chosen.TWINS;
  }

  /**
   * For {@code count} positions, a multiple of {@value #LANES}, the sum over the taps, in order, of
   * a weight times the float that is the tap's offset behind the position.
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

  /** Adds the products of {@code count} floats, a multiple of 64, to 64 lanes in turn. */
  void correlate(long x, long y, int count, long lanes) {
    for (int i = 0; i < count; i += LANES) {
      for (long at = 0; at < 4 * LANES; at += 4) {
        long from = 4L * i + at;
        float sum = Raw.getFloat(lanes + at);
        Raw.putFloat(lanes + at, Math.fma(Raw.getFloat(x + from), Raw.getFloat(y + from), sum));
      }
    }
  }
}
