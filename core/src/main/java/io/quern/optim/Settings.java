package io.quern.optim;

/** Checks of the options of optimisers. */
final class Settings {
  private Settings() {}

  /** A number from 0 to less than 1. */
  static double share(String optimizer, String name, double value) {
    if (!(value >= 0 && value < 1)) {
      throw new IllegalArgumentException(
          optimizer + ": " + name + " must be at least 0 and less than 1, found " + value);
    }
    return value;
  }

  /** A finite number from 0 on. */
  static double notNegative(String optimizer, String name, double value) {
    if (!(value >= 0 && value < Double.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException(
          optimizer + ": " + name + " must be finite and 0 or more, found " + value);
    }
    return value;
  }
}
