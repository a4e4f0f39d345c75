package io.quern.cpu.attention;

import io.quern.backend.Operands;
import io.quern.cpu.MachineTier;
import io.quern.cpu.Trial;
import io.quern.cpu.Twins;

/**
 * Loops over rows of scores, with the same bits in all implementations. Rows are {@link #LANES}
 * floats or a multiple of that long, unless stated. Thread-safe.
 */
abstract class AttentionMath {
  /** Lanes of a sum: element i goes to lane {@code i % 64}. */
  static final int LANES = 64;

  /** Apart from the class itself, whose subclasses are initialised here. */
  private static final class Chosen {
    private static final int OPERANDS = 3;
    private static final int TRIAL = 256;
    private static final int N = 3 * LANES;

    static final Twins<AttentionMath> TWINS =
        MachineTier.has512Bits()
            ? Twins.only(new MachineAttentionMath())
            : Twins.ofKernel(
                "rows of attention",
                ScalarAttentionMath::new,
                () -> new VectorAttentionMath(),
                one -> Trial.run(OPERANDS, TRIAL, operands -> tryOut(one, operands)));

    private static void tryOut(AttentionMath one, Operands o) {
      long x = o.address(0);
      long y = o.address(1);
      long lanes = o.address(2);
      float max = one.max(x, N);
      one.expSum(x, max, N, lanes, 0.5f);
      one.weights(y, max, 0.5f, N);
      one.scoreGradient(x, 0.5f, N, y);
      one.scale(x, max, N);
      one.add(x, N - 3, y);
      one.scale(x, 0.5f, N - 3, y);
    }
  }

  AttentionMath() {}

  /** The implementations of this process. */
  static Twins<AttentionMath> twins() {
    return Chosen.TWINS;
  }

  /** {@code x[i] *= factor}; n is a multiple of the micro-kernel's columns. */
  abstract void scale(long x, float factor, long n);

  /** {@code to[i] = x[i] * factor} for any n. */
  abstract void scale(long x, float factor, long n, long to);

  /** The largest element, leaving out NaN; -infinity when there is no other. */
  abstract float max(long x, long n);

  /** {@code to[i] += x[i]} for any n. */
  abstract void add(long x, long n, long to);

  /** {@code x[i] = exp(x[i] - max)}; {@code lanes = lanes * factor + sums of x}. */
  abstract void expSum(long x, float max, long n, long lanes, float factor);

  /** {@code x[i] = exp(x[i] - max) * factor}. */
  abstract void weights(long x, float max, float factor, long n);

  /** {@code to[i] = weights[i] * (to[i] - mean)}. */
  abstract void scoreGradient(long weights, float mean, long n, long to);
}
