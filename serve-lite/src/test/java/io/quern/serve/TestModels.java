package io.quern.serve;

import io.quern.Tensor;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.UnaryOperator;

/** Small models for tests; examples are vectors of {@link #INPUTS} floats. */
final class TestModels {
  static final int INPUTS = 16;
  static final int OUTPUTS = 4;

  private TestModels() {}

  /** A layer with seeded random weights. */
  static UnaryOperator<Tensor> linear() {
    Random random = new Random(7);
    float[] weights = new float[INPUTS * OUTPUTS];
    for (int i = 0; i < weights.length; i++) {
      weights[i] = random.nextFloat(-1, 1);
    }
    Tensor matrix = Tensor.of(weights, INPUTS, OUTPUTS);
    return batch -> batch.matmul(matrix).tanh();
  }

  /** An example of which no two have the same result. */
  static float[] example(long seed) {
    Random random = new Random(seed);
    float[] example = new float[INPUTS];
    for (int i = 0; i < INPUTS; i++) {
      example[i] = random.nextFloat(-1, 1);
    }
    return example;
  }

  /** What {@code model} gives for one example alone. */
  static float[] direct(UnaryOperator<Tensor> model, float[] example) {
    return model.apply(Tensor.of(example, 1, INPUTS)).toFloatArray();
  }

  /** {@code model}, but it takes {@code millis} longer. */
  static UnaryOperator<Tensor> slow(UnaryOperator<Tensor> model, long millis) {
    return batch -> {
      LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(millis));
      return model.apply(batch);
    };
  }
}
