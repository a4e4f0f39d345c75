package io.quern.cpu.rows;

import io.quern.backend.Operands;
import io.quern.cpu.Trial;
import io.quern.cpu.Twins;

/**
 * Loops of the gradients of normalisations over one row, with the same bits in both
 * implementations; {@code z = (x - mean) * scale} and {@code h = gradient * gamma}. Thread-safe.
 */
abstract class NormGradMath {
  /** Apart from the class itself, whose subclasses are initialised here. */
  private static final class Chosen {
    private static final int OPERANDS = 5;
    private static final int TRIAL = 256;
    private static final int N = 101;

    static final Twins<NormGradMath> TWINS =
        Twins.ofKernel(
            "gradients of normalisations",
            ScalarNormGradMath::new,
            () -> new VectorNormGradMath(),
            one -> Trial.run(OPERANDS, TRIAL, operands -> tryOut(one, operands)));

    private static void tryOut(NormGradMath one, Operands o) {
      long x = o.address(0);
      long gradient = o.address(1);
      long gamma = o.address(2);
      one.sums(x, 0.5f, 2, gamma, gradient, N, o.address(3), o.address(4));
      one.input(x, 0.5f, 2, gamma, gradient, 0.25f, 3, N, gamma);
      one.add(gradient, N, gamma);
    }
  }

  NormGradMath() {}

  /** The implementations of this process. */
  static Twins<NormGradMath> twins() {
    return Chosen.TWINS;
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
