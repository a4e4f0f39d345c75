package io.quern.nn;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.grad.Tape;
import io.quern.op.TensorSpec;
import io.quern.op.Unary;
import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * Batch normalisation (Ioffe, Szegedy 2015) of each channel, the second dimension: {@code (x -
 * mean) / sqrt(variance + epsilon) * weight + bias}.
 *
 * <p>In training, mean and biased variance are those of the batch, and the running statistics move
 * towards them: {@code running = (1 - momentum) * running + momentum * batch}, with the unbiased
 * variance, as in PyTorch. In inference the running statistics are used. Training changes the
 * buffers in place; gradients do not flow through them.
 *
 * <p>Parameters: {@code weight}, {@code bias}; buffers: {@code running_mean}, {@code running_var},
 * all of shape [channels], and the I64 scalar {@code num_batches_tracked}.
 */
public abstract sealed class BatchNorm extends Module permits BatchNorm1d, BatchNorm2d {
  static final double EPSILON = 1e-5;
  static final double MOMENTUM = 0.1;

  private final long channels;
  private final double epsilon;
  private final double momentum;
  private final Weight weight;
  private final Weight bias;
  private final Weight runningMean;
  private final Weight runningVar;
  private final Weight batches;

  BatchNorm(long channels, double epsilon, double momentum, Init init) {
    this.channels = Check.positive(name(), "channels", channels);
    this.epsilon = Check.range(name(), "epsilon", epsilon, 0, Double.POSITIVE_INFINITY);
    this.momentum = Check.range(name(), "momentum", momentum, 0, Math.nextUp(1.0));
    this.weight = parameter("weight", init.constant("weight", 1, channels));
    this.bias = parameter("bias", init.constant("bias", 0, channels));
    this.runningMean = buffer("running_mean", init.constant("running_mean", 0, channels));
    this.runningVar = buffer("running_var", init.constant("running_var", 1, channels));
    TensorSpec counter = new TensorSpec(DType.I64, Shape.scalar());
    this.batches = buffer("num_batches_tracked", init.constant("num_batches_tracked", 0, counter));
  }

  private String name() {
    return getClass().getSimpleName();
  }

  /** Whether inputs may have this rank. */
  abstract boolean accepts(int rank);

  /** Names of the dimensions, for messages. */
  abstract String layout();

  @Override
  final LayerSpec spec() {
    return LayerSpec.of(name(), "channels", channels, "epsilon", epsilon, "momentum", momentum);
  }

  @Override
  public final Tensor forward(Tensor input, Mode mode) {
    Check.require(
        accepts(input.rank()) && input.dim(1) == channels,
        name(),
        "the input must be "
            + layout()
            + " with "
            + channels
            + " channels, found "
            + input.shape());
    long[] dims = new long[input.rank()];
    Arrays.fill(dims, 1);
    dims[1] = channels;
    Shape perChannel = Shape.of(dims);
    return mode.normalise(
        input, weight, x -> mode.isTraining() ? train(x, perChannel) : infer(x, perChannel));
  }

  private Tensor infer(Tensor input, Shape perChannel) {
    Tensor scale = runningVar.value().add(epsilon).map(Unary.Fn.RSQRT).mul(weight.value());
    Tensor shift = bias.value().sub(runningMean.value().mul(scale));
    return input.mul(scale.reshape(perChannel)).add(shift.reshape(perChannel));
  }

  private Tensor train(Tensor input, Shape perChannel) {
    int[] axes = IntStream.range(0, input.rank()).filter(axis -> axis != 1).toArray();
    long count = input.size() / channels;
    Check.require(
        count > 1,
        name(),
        "training needs more than one value per channel, found shape " + input.shape());
    Tensor mean = input.meanKeep(axes);
    Tensor centred = input.sub(mean);
    Tensor variance = centred.square().meanKeep(axes);
    Tape.withoutRecording(
        () -> {
          track(runningMean, mean, 1);
          track(runningVar, variance, (double) count / (count - 1));
          batches.value().copyFrom(batches.value().add(1));
          return mean;
        });
    return centred
        .mul(variance.add(epsilon).map(Unary.Fn.RSQRT))
        .mul(weight.value().reshape(perChannel))
        .add(bias.value().reshape(perChannel));
  }

  private void track(Weight running, Tensor batch, double correction) {
    Tensor value = running.value();
    value.copyFrom(
        value.mul(1 - momentum).add(batch.reshape(value.shape()).mul(momentum * correction)));
  }
}
