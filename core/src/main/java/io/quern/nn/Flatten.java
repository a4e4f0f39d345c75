package io.quern.nn;

import io.quern.Tensor;

/** Joins dimensions {@code from} to the last: [n, c, h, w] -> [n, c * h * w] for 1. */
public final class Flatten extends Module {
  private final int from;

  private Flatten(int from) {
    this.from = from;
  }

  /** Keeps the batch and joins all other dimensions. */
  public static Flatten of() {
    return new Flatten(1);
  }

  /** Joins the dimensions from this one on. */
  public static Flatten of(int from) {
    return new Flatten(from);
  }

  static Flatten from(Arguments arguments) {
    return new Flatten(arguments.integer("from"));
  }

  @Override
  LayerSpec spec() {
    return LayerSpec.of("Flatten", "from", from);
  }

  @Override
  public Tensor forward(Tensor input, Mode mode) {
    return input.flatten(from);
  }
}
