package io.quern.nn;

/** Checks of the arguments that layers are made with. */
final class Check {
  private Check() {}

  /** Throws {@code layer: name must be 1 or more} for smaller values. */
  static long positive(String layer, String name, long value) {
    require(value >= 1, layer, name + " must be 1 or more, found " + value);
    return value;
  }

  /** Throws when {@code value} is not in [low, high). */
  static double range(String layer, String name, double value, double low, double high) {
    require(
        value >= low && value < high,
        layer,
        name + " must be at least " + low + " and less than " + high + ", found " + value);
    return value;
  }

  static void require(boolean holds, String layer, String message) {
    if (!holds) {
      throw new IllegalArgumentException(layer + ": " + message);
    }
  }
}
