package io.quern.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.quern.Device;
import io.quern.Rng;
import io.quern.Tensor;
import io.quern.conformance.Floats;
import io.quern.op.LayerNorm;
import io.quern.op.LogSoftmax;
import io.quern.op.NormGrad;
import io.quern.op.Op;
import io.quern.op.RmsNorm;
import io.quern.op.SgdStep;
import io.quern.op.Softmax;
import io.quern.op.SoftmaxGrad;
import io.quern.op.Unary;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The functions of {@code math.cuh} have the bits of the CPU's, seen through rows of two, and
 * results do not depend on addresses.
 */
@EnabledIf(
    value = "io.quern.cuda.StandIn#isReady",
    disabledReason = "there is no GPU, and no g++ on x86-64 to build a stand-in")
class RowKernelsTest {
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
    float[] expected = Floats.apply(Unary.Fn.EXP, x);
    for (int i = 0; i < COUNT; i++) {
      assertThat(found[2 * i + 1]).as("exp of %s", x[i]).isEqualTo(expected[i]);
    }
  }

  /**
   * The result for 0 next to x is -log(1 + exp(x)). The power of 2 of exp has an error of 2^-22,
   * what is multiplied afterwards another of 2^-23; the sum and the logarithm are rounded.
   */
  @Test
  void logAndExpOfNegatives() {
    float[] x = values(-20, 0);
    float[] rows = new float[2 * COUNT];
    for (int i = 0; i < COUNT; i++) {
      rows[2 * i + 1] = x[i];
    }
    float[] found = run(Tensor.apply(new LogSoftmax(1), rows(rows)));
    for (int i = 0; i < COUNT; i++) {
      double exp = Math.exp(x[i]);
      double bound = 0x1.8p-22 * exp / (1 + exp) + 0x1p-23 + Math.ulp(found[2 * i]);
      assertThat((double) found[2 * i])
          .as("log of 1 + exp(%s)", x[i])
          .isCloseTo(-Math.log1p(exp), within(bound));
    }
  }

  /** About the lengths from which on rows have more threads, or do not fit registers. */
  @ParameterizedTest
  @ValueSource(
      ints = {
        1, 15, 16, 17, 60, 64, 65, 127, 128, 129, 512, 516, 768, 1021, 1024, 1028, 2048, 2049, 2052,
        4096, 8193, 8196, 16_384, 16_388, 20_001, 32_768, 32_769, 50_257, 65_540, 70_004
      })
  void rowsOfAllLengthsHaveTheReferencesValues(int length) {
    int rows = length < 5000 ? 21 : 2;
    Tensor x = Rng.of(1).normal(rows, length);
    Tensor g = Rng.of(2).uniform(rows, length);
    Tensor weights = Rng.of(3).uniform(length);
    check(length, new Softmax(1), x);
    check(length, new LogSoftmax(1), x);
    check(length, new SoftmaxGrad(1, false), Tensor.apply(new Softmax(1), x), g);
    check(length, new SoftmaxGrad(1, true), g, g);
    if (length > 1) {
      check(length, new LayerNorm(1, 1e-5), x, weights, weights);
      check(length, new RmsNorm(1, 1e-5), x, weights);
      check(length, new NormGrad(1, 1e-5, true), x, weights, g);
      check(length, new NormGrad(1, 1e-5, false), x, weights, g);
    }
  }

  /** The first rows and the last of which a block takes several, whole runs and parts of them. */
  @ParameterizedTest
  @ValueSource(
      ints = {
        8193, 16_385, 16_386, 20_480, 32_000, 32_769, 50_257, 51_199, 51_200, 51_201, 57_344, 57_345
      })
  void longRowsHaveTheReferencesValues(int length) {
    Device device = StandIn.withTensorCores();
    Tensor x = Rng.of(1).normal(11, length).sub(5);
    for (Op op : List.of(new Softmax(1), new LogSoftmax(1))) {
      check(length, op, device, x);
      check(length, op, device, x.slice(0, 0, 2));
    }
    Tensor g = Rng.of(2).uniform(11, length);
    check(length, new SoftmaxGrad(1, true), device, g.sub(1), g);
  }

  /** About the lengths from which on lanes have more; several rows for each warp, and none. */
  @ParameterizedTest
  @ValueSource(
      ints = {128, 132, 252, 256, 260, 508, 512, 516, 640, 768, 772, 896, 1020, 1024, 1028})
  void gradientsOfNormsOfWarpsHaveTheReferencesValues(int length) {
    Device device = StandIn.withTensorCores();
    Tensor x = Rng.of(1).normal(45, length).sub(2);
    Tensor g = Rng.of(2).uniform(45, length);
    Tensor weights = Rng.of(3).normal(length);
    for (int rows : new int[] {1, 7, 45}) {
      Tensor some = x.slice(0, 0, rows);
      check(length, new NormGrad(1, 1e-5, true), device, some, weights, g.slice(0, 0, rows));
      check(length, new NormGrad(1, 1e-5, false), device, some, weights, g.slice(0, 0, rows));
    }
  }

  /** Nothing of a row is left to the next. */
  @Test
  void longRowsOfInfinitiesAreNaN() {
    int length = 20_000;
    float[] values = new float[9 * length];
    float[] expected = new float[9 * length];
    Arrays.fill(values, length, 2 * length, Float.NEGATIVE_INFINITY);
    values[8 * length - 1] = Float.NaN;
    Arrays.fill(expected, 1f / length);
    Arrays.fill(expected, length, 2 * length, Float.NaN);
    Arrays.fill(expected, 7 * length, 8 * length, Float.NaN);
    Tensor x = Tensor.of(values).reshape(9, length).to(StandIn.withTensorCores());
    assertThat(run(Tensor.apply(new Softmax(1), x))).isEqualTo(expected);
  }

  private static void check(int length, Op op, Tensor... inputs) {
    check(length, op, Device.of("cuda"), inputs);
  }

  /**
   * A thread sums up to 32 elements of each chunk, and others fold the threads; a few operations
   * follow.
   */
  private static void check(int length, Op op, Device device, Tensor... inputs) {
    double roundings = 32 * (1 + length / 16_384) + 32;
    Tensor[] found = Tensor.applyAll(op, on(device, inputs));
    Tensor[] expected = Tensor.applyAll(op, on(Device.reference(), inputs));
    for (int o = 0; o < expected.length; o++) {
      float[] values = run(found[o]);
      float[] references = run(expected[o]);
      double most = 0;
      for (float reference : references) {
        most = Math.max(most, Math.abs(reference));
      }
      float tolerance = (float) (roundings * 0x1p-23 * most);
      assertThat(values).as("%s, output %d", op.name(), o).hasSameSizeAs(references);
      for (int i = 0; i < values.length; i++) {
        if (!(Math.abs(values[i] - references[i]) <= tolerance)) {
          assertThat(values[i])
              .as("%s, output %d at %d", op.name(), o, i)
              .isCloseTo(references[i], within(tolerance));
        }
      }
    }
  }

  /** Values of which many are alike. */
  @ParameterizedTest
  @ValueSource(ints = {510, 512, 514, 516, 1024, 4100, 70_002})
  void theFirstOfEqualsIsTheExtreme(int length) {
    float[] values = new float[5 * length];
    SplittableRandom random = new SplittableRandom(length);
    for (int i = 0; i < values.length; i++) {
      values[i] = random.nextInt(-9, 10);
    }
    values[length + 5] = Float.NaN;
    values[2 * length - 2] = Float.NaN;
    values[3 * length - 2] = 100;
    values[3 * length - 3] = -100;
    Tensor x = Tensor.of(values).reshape(5, length);
    Tensor there = x.to(Device.of("cuda"));
    Tensor here = x.to(Device.of("reference"));
    assertThat(there.argmax(1).toLongArray()).isEqualTo(here.argmax(1).toLongArray());
    assertThat(there.argmin(1).toLongArray()).isEqualTo(here.argmin(1).toLongArray());
  }

  /** Widths that have parts and several blocks, with and without four columns for each thread. */
  @ParameterizedTest
  @ValueSource(ints = {32, 127, 128, 132, 260, 516, 1024})
  void columnsHaveTheReferencesFolds(int width) {
    int length = 500_000 / width;
    float[] values = new float[length * width];
    SplittableRandom random = new SplittableRandom(width);
    for (int i = 0; i < values.length; i++) {
      values[i] = random.nextInt(-9, 10) * 0.5f;
    }
    values[3] = Float.NaN;
    values[17 * width + 3] = Float.NaN;
    values[17 * width + 2] = Float.POSITIVE_INFINITY;
    checkColumns(Tensor.of(values).reshape(length, width));
    checkColumns(Tensor.of(values).slice(0, 0, 7L * width).reshape(7, width));
    float[] infinities = new float[40 * width];
    Arrays.fill(infinities, Float.NEGATIVE_INFINITY);
    checkColumns(Tensor.of(infinities).reshape(40, width));
  }

  private static void checkColumns(Tensor x) {
    Tensor there = x.to(Device.of("cuda"));
    checkColumns(x, there);
    Tensor flat = there.reshape(-1);
    Tensor shifted =
        Tensor.concat(0, flat.slice(0, 0, 1), flat).slice(0, 1, flat.shape().size() + 1);
    checkColumns(x, shifted.reshape(x.shape().dim(0), x.shape().dim(1)));
  }

  private static void checkColumns(Tensor x, Tensor there) {
    Tensor here = x.to(Device.reference());
    assertThat(run(there.sum(0))).isEqualTo(run(here.sum(0)));
    assertThat(run(there.max(0))).isEqualTo(run(here.max(0)));
    assertThat(run(there.min(0))).isEqualTo(run(here.min(0)));
    assertThat(there.argmax(0).toLongArray()).isEqualTo(here.argmax(0).toLongArray());
    assertThat(there.argmin(0).toLongArray()).isEqualTo(here.argmin(0).toLongArray());
  }

  /** Kept and folded dimensions in turn. */
  @Test
  void columnsOfTwoDimensionsHaveTheReferencesFolds() {
    Tensor x = Rng.of(1).normal(9, 5, 70, 132).mul(8).map(Unary.Fn.FLOOR);
    assertThat(run(x.to(Device.of("cuda")).sum(0, 2))).isEqualTo(run(x.sum(0, 2)));
    assertThat(x.to(Device.of("cuda")).argmax(2).toLongArray())
        .isEqualTo(x.argmax(2).toLongArray());
  }

  /** More elements than there are threads. */
  @Test
  void manyElementsAreGathered() {
    Device device = Device.of("cuda");
    Tensor x = Rng.of(1).normal(5, 700_001);
    Tensor index = Tensor.of(new long[] {3, 1, 3});
    assertThat(run(x.to(device).gather(0, index.to(device)))).isEqualTo(run(x.gather(0, index)));
    Tensor parts = Rng.of(1).normal(2, 3, 350_001);
    Tensor last = Tensor.of(new long[] {2, 0});
    assertThat(run(parts.to(device).gather(1, last.to(device))))
        .isEqualTo(run(parts.gather(1, last)));
  }

  private static Tensor[] on(Device device, Tensor... tensors) {
    return Stream.of(tensors).map(each -> each.to(device)).toArray(Tensor[]::new);
  }

  @ParameterizedTest
  @ValueSource(ints = {8, 500, 2000, 10_000, 20_001, 40_000})
  void unalignedRowsGiveTheSameBits(int length) {
    for (Device device : List.of(Device.of("cuda"), StandIn.withTensorCores())) {
      Tensor x = Rng.of(1).normal(3, length).to(device);
      Tensor weights = Rng.of(2).normal(length).to(device);
      List<Op> unary = List.of(new Softmax(1), new LogSoftmax(1));
      for (Op op : unary) {
        assertThat(run(Tensor.apply(op, unaligned(x)))).isEqualTo(run(Tensor.apply(op, x)));
      }
      Op norm = new LayerNorm(1, 1e-5);
      assertThat(run(Tensor.apply(norm, unaligned(x), weights, weights)))
          .isEqualTo(run(Tensor.apply(norm, x, weights, weights)));
      Op grad = new NormGrad(1, 1e-5, true);
      Tensor[] found = Tensor.applyAll(grad, unaligned(x), weights, x);
      Tensor[] expected = Tensor.applyAll(grad, x, weights, x);
      for (int o = 0; o < expected.length; o++) {
        assertThat(run(found[o])).isEqualTo(run(expected[o]));
      }
      Op step = new SgdStep(0.9, true, 0.1);
      Tensor rate = Tensor.of(new float[] {0.1f}).to(device);
      assertThat(run(Tensor.applyAll(step, unaligned(x), x, x, rate)[0]))
          .isEqualTo(run(Tensor.applyAll(step, x, x, x, rate)[0]));
    }
  }

  /** The same values, four bytes beyond a multiple of 16. */
  private static Tensor unaligned(Tensor x) {
    long count = x.shape().size();
    Tensor longer = Tensor.concat(0, x.reshape(-1).slice(0, 0, 1), x.reshape(-1));
    return longer.slice(0, 1, count + 1).reshape(3, -1);
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
    return result.to(Device.reference()).reshape(-1).toFloatArray();
  }
}
