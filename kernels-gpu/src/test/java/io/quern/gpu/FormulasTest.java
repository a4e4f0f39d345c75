package io.quern.gpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.Device;
import io.quern.Tensor;
import io.quern.backend.Formulas;
import io.quern.op.ScalarProgram;
import io.quern.op.Unary;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The formulas of generated code have the bits of the CPU's kernels. */
class FormulasTest {
  private static final int COUNT = 200_000;

  @ParameterizedTest
  @EnumSource(
      value = Unary.Fn.class,
      mode = EnumSource.Mode.EXCLUDE,
      names = {"SIN", "COS"})
  void haveTheBitsOfTheCpu(Unary.Fn fn) {
    ScalarProgram program = new ScalarProgram(1, List.of(new ScalarProgram.Apply1(fn, 0)));
    float[] values = values();
    float[] expected = Tensor.of(values).to(Device.of("cpu")).map(fn).toFloatArray();
    Formulas<Integer> formulas = new Formulas<>(new Floats());
    for (int i = 0; i < COUNT; i++) {
      int found = formulas.run(program, List.of(Float.floatToRawIntBits(values[i])));
      if (Float.isNaN(expected[i])) {
        assertThat(Float.intBitsToFloat(found)).as("%s of %s", fn, values[i]).isNaN();
      } else {
        assertThat(found)
            .as("%s of %s", fn, values[i])
            .isEqualTo(Float.floatToRawIntBits(expected[i]));
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
