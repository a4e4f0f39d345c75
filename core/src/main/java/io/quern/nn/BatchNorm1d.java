package io.quern.nn;

/** {@link BatchNorm} of inputs [n, c] or [n, c, length]. */
public final class BatchNorm1d extends BatchNorm {
  private BatchNorm1d(long channels, double epsilon, double momentum, Init init) {
    super(channels, epsilon, momentum, init);
  }

  /** With epsilon 1e-5 and momentum 0.1. */
  public static BatchNorm1d of(long channels) {
    return of(channels, EPSILON, MOMENTUM);
  }

  /** With its own epsilon (0 or more) and momentum (from 0 to 1). */
  public static BatchNorm1d of(long channels, double epsilon, double momentum) {
    return new BatchNorm1d(channels, epsilon, momentum, Init.constants());
  }

  static BatchNorm1d from(Arguments arguments, Init init) {
    return new BatchNorm1d(
        arguments.whole("channels"),
        arguments.number("epsilon"),
        arguments.number("momentum"),
        init);
  }

  @Override
  boolean accepts(int rank) {
    return rank == 2 || rank == 3;
  }

  @Override
  String layout() {
    return "[n, c] or [n, c, length]";
  }
}
