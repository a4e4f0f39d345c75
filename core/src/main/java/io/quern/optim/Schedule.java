package io.quern.optim;

/** The learning rate as a function of the step, which is counted from 0 over all epochs. */
@FunctionalInterface
public interface Schedule {
  /** The learning rate for a step; steps beyond the planned ones give the last value. */
  double at(long step);

  /** The same rate always. */
  static Schedule constant(double rate) {
    checkRate(rate);
    return step -> rate;
  }

  /** {@code rate * factor^floor(step / every)}. */
  static Schedule step(double rate, long every, double factor) {
    checkRate(rate);
    checkSteps("every", every);
    return step -> rate * Math.pow(factor, (double) Math.floorDiv(step, every));
  }

  /** {@link #cosine(double, double, long)} down to 0. */
  static Schedule cosine(double rate, long steps) {
    return cosine(rate, 0, steps);
  }

  /**
   * Half a cosine from {@code rate} at step 0 down to {@code least} at {@code steps}: {@code least
   * + (rate - least) * (1 + cos(pi * step / steps)) / 2} (Loshchilov, Hutter, "SGDR", 2017, eq. 5).
   */
  static Schedule cosine(double rate, double least, long steps) {
    checkRate(rate);
    checkRate(least);
    checkSteps("steps", steps);
    return step -> anneal(rate, least, (double) step / steps);
  }

  /**
   * Rises along half a cosine from {@code rate / 25} to {@code rate} over the first 30 % of the
   * steps and falls to {@code rate / 250,000} at the last one (Smith, Topin, "Super-convergence",
   * 2018, in the form and with the defaults of PyTorch's OneCycleLR).
   */
  static Schedule oneCycle(double rate, long steps) {
    return oneCycle(rate, steps, 0.3, 25, 1e4);
  }

  /**
   * {@link #oneCycle(double, long)} with other figures.
   *
   * @param rate the largest rate
   * @param steps all steps; step {@code steps - 1} has the last rate
   * @param rising share of the steps with rising rate, more than 0 and less than 1
   * @param start the first rate is {@code rate / start}
   * @param end the last rate is {@code rate / start / end}
   */
  static Schedule oneCycle(double rate, long steps, double rising, double start, double end) {
    checkRate(rate);
    checkSteps("steps", steps);
    if (!(rising > 0 && rising < 1 && start > 0 && end > 0)) {
      throw new IllegalArgumentException(
          "schedule: the rising share must be between 0 and 1 and the divisors positive, found "
              + rising
              + ", "
              + start
              + " and "
              + end);
    }
    double first = rate / start;
    double peak = rising * steps - 1;
    return step -> {
      double at = Math.min(step, steps - 1);
      return at < peak
          ? anneal(first, rate, at / peak)
          : anneal(rate, first / end, (at - peak) / (steps - 1 - peak));
    };
  }

  /**
   * This schedule times a factor that grows linearly over the first steps, {@code (step + 1) /
   * steps}, and is 1 afterwards (Goyal et al. 2017, section 2.2). The steps of this schedule are
   * not shifted.
   */
  default Schedule warmUp(long steps) {
    checkSteps("steps", steps);
    return step -> at(step) * Math.min(1, (step + 1.0) / steps);
  }

  private static double anneal(double from, double to, double part) {
    double at = Math.clamp(part, 0, 1);
    return to + (from - to) * (1 + Math.cos(Math.PI * at)) / 2;
  }

  private static void checkRate(double rate) {
    if (!(rate >= 0 && rate < Double.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException(
          "schedule: rates must be finite and 0 or more, found " + rate);
    }
  }

  private static void checkSteps(String name, long steps) {
    if (steps < 1) {
      throw new IllegalArgumentException(
          "schedule: " + name + " must be 1 or more, found " + steps);
    }
  }
}
