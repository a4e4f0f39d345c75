package io.quern.nn;

import io.quern.Tensor;

/**
 * Group normalisation (Wu, He 2018) of [n, channels, ..]: neighbouring channels of an example are
 * normalised together, {@code (x - mean) / sqrt(variance + epsilon) * weight + bias}. Weights:
 * {@code weight} and {@code bias} [channels], 1 and 0 at first.
 */
public final class GroupNorm extends Module {
  private static final double EPSILON = 1e-5;

  private final int groups;
  private final long channels;
  private final double epsilon;
  private final Weight weight;
  private final Weight bias;

  private GroupNorm(int groups, long channels, double epsilon, Init init) {
    this.groups = (int) Check.positive("group_norm", "groups", groups);
    this.channels = Check.positive("group_norm", "channels", channels);
    Check.require(
        channels % groups == 0,
        "group_norm",
        groups + " groups do not divide " + channels + " channels");
    this.epsilon = Check.range("group_norm", "epsilon", epsilon, 0, Double.POSITIVE_INFINITY);
    this.weight = parameter("weight", init.constant("weight", 1, channels));
    this.bias = parameter("bias", init.constant("bias", 0, channels));
  }

  /** With epsilon 1e-5. */
  public static GroupNorm of(int groups, long channels) {
    return of(groups, channels, EPSILON);
  }

  /** Normalises {@code groups} groups of the channels. */
  public static GroupNorm of(int groups, long channels, double epsilon) {
    return new GroupNorm(groups, channels, epsilon, Init.constants());
  }

  static GroupNorm from(Arguments arguments, Init init) {
    return new GroupNorm(
        arguments.integer("groups"),
        arguments.whole("channels"),
        arguments.number("epsilon"),
        init);
  }

  @Override
  LayerSpec spec() {
    return LayerSpec.of("GroupNorm", "groups", groups, "channels", channels, "epsilon", epsilon);
  }

  @Override
  public Tensor forward(Tensor input, Mode mode) {
    io.quern.op.GroupNorm op = new io.quern.op.GroupNorm(groups, epsilon);
    return mode.normalise(input, weight, x -> Tensor.apply(op, x, weight.value(), bias.value()));
  }
}
