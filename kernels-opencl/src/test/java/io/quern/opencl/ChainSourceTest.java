package io.quern.opencl;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.DType;
import io.quern.Device;
import io.quern.Tensor;
import io.quern.conformance.Floats;
import io.quern.op.Binary;
import io.quern.op.Unary;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Generated chains have the bits of the formulas, whatever way their operands lie. */
@EnabledIf(value = "io.quern.opencl.Devices#areThere", disabledReason = Devices.MISSING)
class ChainSourceTest {
  private static final int ROWS = 48;
  private static final int COLUMNS = 260;

  private final Device device = Device.of("opencl");
  private final Tensor x = Tensor.of(values(1), ROWS, COLUMNS).to(device);
  private final Tensor y = Tensor.of(values(2), ROWS, COLUMNS).to(device);

  @ParameterizedTest
  @EnumSource(
      value = Unary.Fn.class,
      mode = EnumSource.Mode.EXCLUDE,
      names = {"SIN", "COS"})
  void unary(Unary.Fn fn) {
    check(fn, x);
    check(fn, x.reshape(-1).slice(0, 1, ROWS * COLUMNS - 2));
    check(fn, x.transpose(0, 1));
    check(fn, x.slice(1, 0, 192));
  }

  private static void check(Unary.Fn fn, Tensor x) {
    requireSame(Floats.apply(fn, values(x)), x.map(fn));
  }

  @ParameterizedTest
  @EnumSource(
      value = Binary.Fn.class,
      mode = EnumSource.Mode.EXCLUDE,
      names = {"POW"})
  void binary(Binary.Fn fn) {
    check(fn, y);
    check(fn, y.slice(0, 0, 1));
    check(fn, y.slice(1, 3, 4));
    check(fn, y.slice(1, 3, 4).slice(0, 0, 1));
  }

  private void check(Binary.Fn fn, Tensor y) {
    float[] expected = Floats.apply(fn, values(x), values(y.expand(x.shape())));
    requireSame(expected, Tensor.apply(new Binary(fn), x, y));
  }

  /** Rounded once, whatever way operands lie; the test's device has the formulas. */
  @ParameterizedTest
  @EnumSource(names = {"F16", "BF16"})
  void narrow(DType dtype) {
    Tensor narrow = x.to(dtype);
    requireSame(values(x.to(Device.reference()).to(dtype)), narrow);
    requireSame(values(narrow.to(Device.reference())), narrow.to(DType.F32));
    for (Tensor each :
        List.of(
            narrow,
            narrow.reshape(-1).slice(0, 1, ROWS * COLUMNS - 2),
            narrow.transpose(0, 1),
            narrow.slice(1, 0, 192))) {
      requireSame(values(each.to(DType.F32).map(Unary.Fn.GELU).to(dtype)), each.map(Unary.Fn.GELU));
      requireSame(
          values(each.to(DType.F32).add(each.slice(0, 0, 1).to(DType.F32)).to(dtype)),
          each.add(each.slice(0, 0, 1)));
    }
  }

  private static void requireSame(float[] expected, Tensor computed) {
    float[] found = values(computed);
    assertThat(found).hasSameSizeAs(expected);
    for (int i = 0; i < found.length; i++) {
      if (Float.compare(found[i], expected[i]) != 0) {
        assertThat(found[i]).as("element %d", i).isEqualTo(expected[i]);
      }
    }
  }

  private static float[] values(Tensor x) {
    return x.to(DType.F32).contiguous().reshape(-1).toFloatArray();
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
