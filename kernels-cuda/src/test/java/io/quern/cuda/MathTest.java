package io.quern.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.Device;
import io.quern.Tensor;
import io.quern.op.LogSoftmax;
import io.quern.op.SoftmaxGrad;
import io.quern.op.Unary;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;

/** The functions of {@code math.cuh} have the bits of the CPU's, seen through rows of two. */
@EnabledIf(
    value = "io.quern.cuda.StandIn#isReady",
    disabledReason = "there is no GPU, and no g++ to build a stand-in")
class MathTest {
  private static final int COUNT = 20_000;

  /** The gradient of a row's second element is exp of it where the others are -1 and 0. */
  @Test
  void exp() {
    float[] x = values(-110, 95);
    float[] y = new float[2 * COUNT];
    float[] g = new float[2 * COUNT];
    for (int i = 0; i < COUNT; i++) {
      y[2 * i + 1] = x[i];
      g[2 * i] = -1;
    }
    float[] found = run(Tensor.apply(new SoftmaxGrad(1, true), rows(y), rows(g)));
    float[] expected = onCpu(Unary.Fn.EXP, x);
    for (int i = 0; i < COUNT; i++) {
      assertThat(found[2 * i + 1]).as("exp of %s", x[i]).isEqualTo(expected[i]);
    }
  }

  /** The result for 0 next to x is -log(1 + exp(x)). */
  @Test
  void logAndExpOfNegatives() {
    float[] x = values(-20, 0);
    float[] rows = new float[2 * COUNT];
    float[] sums = onCpu(Unary.Fn.EXP, x);
    for (int i = 0; i < COUNT; i++) {
      rows[2 * i + 1] = x[i];
      sums[i] += 1;
    }
    float[] found = run(Tensor.apply(new LogSoftmax(1), rows(rows)));
    float[] expected = onCpu(Unary.Fn.LOG, sums);
    for (int i = 0; i < COUNT; i++) {
      assertThat(found[2 * i]).as("log of %s", sums[i]).isEqualTo(0 - expected[i]);
    }
  }

  private static float[] values(double low, double high) {
    SplittableRandom random = new SplittableRandom(1);
    float[] values = new float[COUNT];
    for (int i = 0; i < COUNT; i++) {
      values[i] = (float) random.nextDouble(low, high);
    }
    return values;
  }

  private static Tensor rows(float[] values) {
    return Tensor.of(values).reshape(-1, 2).to(Device.of("cuda"));
  }

  private static float[] run(Tensor result) {
    return result.to(Device.of("cpu")).reshape(-1).toFloatArray();
  }

  private static float[] onCpu(Unary.Fn fn, float[] values) {
    return Tensor.of(values).to(Device.of("cpu")).map(fn).toFloatArray();
  }
}
