package io.quern.cpu.math;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.Device;
import io.quern.Tensor;
import io.quern.conformance.Floats;
import io.quern.op.Unary;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The CPU's kernels have the bits of the formulas, of which all generated code is made. */
class FormulasTest {
  private static final int COUNT = 200_000;

  @ParameterizedTest
  @EnumSource(
      value = Unary.Fn.class,
      mode = EnumSource.Mode.EXCLUDE,
      names = {"SIN", "COS"})
  void haveTheBitsOfTheCpu(Unary.Fn fn) {
    float[] values = values();
    float[] computed = Tensor.of(values).to(Device.of("cpu")).map(fn).toFloatArray();
    float[] expected = Floats.apply(fn, values);
    for (int i = 0; i < COUNT; i++) {
      if (Float.compare(computed[i], expected[i]) != 0) {
        assertThat(computed[i]).as("%s of %s", fn, values[i]).isEqualTo(expected[i]);
      }
    }
  }

  /** All bit patterns alike, and numbers of the size where functions change. */
  private static float[] values() {
    SplittableRandom random = new SplittableRandom(1);
    float[] values = new float[COUNT];
    for (int i = 0; i < COUNT; i++) {
      values[i] =
          i % 2 == 0
              ? Float.intBitsToFloat(random.nextInt())
              : (float) (random.nextDouble(-20, 20) * (i % 3 == 0 ? 10 : 1));
    }
    float[] special = {0f, -0f, 1f, -1f, 0.5f, 2.5f, -2.5f, Float.NaN, Float.MAX_VALUE};
    System.arraycopy(special, 0, values, 0, special.length);
    values[special.length] = Float.POSITIVE_INFINITY;
    values[special.length + 1] = Float.NEGATIVE_INFINITY;
    return values;
  }
}
