package io.quern.op;

/** The error function in double precision. */
final class Erf {
  private Erf() {}

  /** {@code 2 / sqrt(pi) * integral from 0 to x of exp(-t^2)}. */
  static double erf(double x) {
    if (Math.abs(x) < 2.5) {
      // Abramowitz, Stegun 7.1.6: all terms have the same sign, so nothing cancels.
      double term = x;
      double sum = x;
      for (int n = 1; Math.abs(term) > Math.abs(sum) * 0x1p-56; n++) {
        term *= 2 * x * x / (2 * n + 1);
        sum += term;
      }
      return 2 / Math.sqrt(Math.PI) * Math.exp(-x * x) * sum;
    }
    return x > 0 ? 1 - erfc(x) : erfc(-x) - 1;
  }

  /** {@code 1 - erf(x)} without cancellation for large x. */
  static double erfc(double x) {
    if (x < 2.5) {
      return 1 - erf(x);
    }
    if (Double.isNaN(x)) {
      return x;
    }
    // Continued fraction, Abramowitz and Stegun 7.1.14, from the inside out.
    double fraction = x;
    for (int k = 120; k >= 1; k--) {
      fraction = x + 0.5 * k / fraction;
    }
    return Math.exp(-x * x) / (Math.sqrt(Math.PI) * fraction);
  }
}
