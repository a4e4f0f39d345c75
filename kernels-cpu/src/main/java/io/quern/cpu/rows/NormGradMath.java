package io.quern.cpu.rows;

import io.quern.cpu.VectorTier;

/**
 * Loops of the gradients of normalisations over one row, with the same bits in both
 * implementations; {@code z = (x - mean) * scale} and {@code h = gradient * gamma}. Thread-safe.
 */
abstract class NormGradMath {
  /** Apart from the class itself, whose subclasses are initialised here. */
  private static final class Chosen {
    static final NormGradMath INSTANCE =
        VectorTier.chosen().isVector() ? new VectorNormGradMath() : new ScalarNormGradMath();
  }

  NormGradMath() {}

  /** The implementation of this process. */
  static NormGradMath chosen() {
    return Chosen.INSTANCE;
  }

  /**
   * Sums h to 64 lanes of the scratch memory and {@code h z} to the next 64; adds {@code gradient
   * z} to the first n floats of {@code sums} and the gradient to the next n.
   */
  abstract void sums(
      long x, float mean, float scale, long gamma, long gradient, long n, long sums, long scratch);

  /** {@code to = scale (h - meanH - z meanHz)}. */
  abstract void input(
      long x,
      float mean,
      float scale,
      long gamma,
      long gradient,
      float meanH,
      float meanHz,
      long n,
      long to);

  /** {@code to[i] += x[i]}. */
  abstract void add(long x, long n, long to);
}
