package io.quern.opencl;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.Device;
import io.quern.Tensor;
import io.quern.op.Binary;
import io.quern.op.Unary;
import java.util.SplittableRandom;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Generated chains have the bits of the CPU's kernels, whatever way their operands lie. */
@EnabledIf(value = "io.quern.opencl.Devices#areThere", disabledReason = Devices.MISSING)
class ChainSourceTest {
  private static final int ROWS = 48;
  private static final int COLUMNS = 260;

  private final Device device = Device.of("opencl");
  private final Tensor x = Tensor.of(values(1)).reshape(ROWS, COLUMNS);
  private final Tensor y = Tensor.of(values(2)).reshape(ROWS, COLUMNS);

  @ParameterizedTest
  @EnumSource(
      value = Unary.Fn.class,
      mode = EnumSource.Mode.EXCLUDE,
      names = {"SIN", "COS"})
  void unary(Unary.Fn fn) {
    requireSame(x.map(fn), x.to(device).map(fn));
    Tensor odd = x.reshape(-1).slice(0, 1, ROWS * COLUMNS - 2);
    requireSame(odd.map(fn), odd.to(device).map(fn));
    requireSame(x.transpose(0, 1).map(fn), x.to(device).transpose(0, 1).map(fn));
    Tensor part = x.slice(1, 0, 192);
    requireSame(part.map(fn), x.to(device).slice(1, 0, 192).map(fn));
  }

  @ParameterizedTest
  @EnumSource(
      value = Binary.Fn.class,
      mode = EnumSource.Mode.EXCLUDE,
      names = {"POW"})
  void binary(Binary.Fn fn) {
    requireSame(apply(fn, x, y), apply(fn, x.to(device), y.to(device)));
    Tensor row = y.slice(0, 0, 1);
    requireSame(apply(fn, x, row), apply(fn, x.to(device), row.to(device)));
    Tensor column = y.slice(1, 3, 4);
    requireSame(apply(fn, x, column), apply(fn, x.to(device), column.to(device)));
    Tensor one = column.slice(0, 0, 1);
    requireSame(apply(fn, x, one), apply(fn, x.to(device), one.to(device)));
  }

  private static Tensor apply(Binary.Fn fn, Tensor x, Tensor y) {
    return Tensor.apply(new Binary(fn), x, y);
  }

  private static void requireSame(Tensor expected, Tensor found) {
    float[] expectedValues = expected.contiguous().reshape(-1).toFloatArray();
    float[] foundValues = found.contiguous().reshape(-1).toFloatArray();
    assertThat(foundValues).hasSameSizeAs(expectedValues);
    for (int i = 0; i < expectedValues.length; i++) {
      if (Float.isNaN(expectedValues[i])) {
        assertThat(foundValues[i]).as("element %d", i).isNaN();
      } else {
        assertThat(Float.floatToRawIntBits(foundValues[i]))
            .as("element %d, %s", i, expectedValues[i])
            .isEqualTo(Float.floatToRawIntBits(expectedValues[i]));
      }
    }
  }

  /** All bit patterns alike, and numbers of the size where functions change. */
  private static float[] values(long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] values = new float[ROWS * COLUMNS];
    for (int i = 0; i < values.length; i++) {
      values[i] =
          i % 2 == 0
              ? Float.intBitsToFloat(random.nextInt())
              : (float) (random.nextDouble(-20, 20) * (i % 3 == 0 ? 10 : 1));
    }
    float[] special = {0f, -0f, 1f, -1f, 0.5f, Float.NaN, Float.POSITIVE_INFINITY};
    System.arraycopy(special, 0, values, 0, special.length);
    return values;
  }
}
