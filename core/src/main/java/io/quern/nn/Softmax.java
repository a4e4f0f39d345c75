package io.quern.nn;

import io.quern.Tensor;

/** Exponentials along one axis, scaled to sum 1. */
public final class Softmax extends Module {
  private final int axis;

  private Softmax(int axis) {
    this.axis = axis;
  }

  /** Along the last axis. */
  public static Softmax of() {
    return of(-1);
  }

  /** Along {@code axis}; a negative axis counts from the end. */
  public static Softmax of(int axis) {
    return new Softmax(axis);
  }

  static Softmax from(Arguments arguments) {
    return new Softmax(arguments.integer("axis"));
  }

  @Override
  LayerSpec spec() {
    return LayerSpec.of("Softmax", "axis", axis);
  }

  @Override
  public Tensor forward(Tensor input, Mode mode) {
    return input.softmax(axis);
  }
}
