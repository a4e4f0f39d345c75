package io.quern.nn;

/** {@link BatchNorm} of inputs [n, c, h, w]. */
public final class BatchNorm2d extends BatchNorm {
  private BatchNorm2d(long channels, double epsilon, double momentum, Init init) {
    super(channels, epsilon, momentum, init);
  }

  /** With epsilon 1e-5 and momentum 0.1. */
  public static BatchNorm2d of(long channels) {
    return of(channels, EPSILON, MOMENTUM);
  }

  /** With its own epsilon (0 or more) and momentum (from 0 to 1). */
  public static BatchNorm2d of(long channels, double epsilon, double momentum) {
    return new BatchNorm2d(channels, epsilon, momentum, Init.constants());
  }

  static BatchNorm2d from(Arguments arguments, Init init) {
    return new BatchNorm2d(
        arguments.whole("channels"),
        arguments.number("epsilon"),
        arguments.number("momentum"),
        init);
  }

  @Override
  boolean accepts(int rank) {
    return rank == 4;
  }

  @Override
  String layout() {
    return "[n, c, h, w]";
  }
}
