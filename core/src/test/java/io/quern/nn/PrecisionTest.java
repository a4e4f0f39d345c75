package io.quern.nn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import io.quern.DType;
import io.quern.Device;
import io.quern.Rng;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.grad.Gradients;
import io.quern.graph.Trace;
import io.quern.op.TensorSpec;
import io.quern.op.Window;
import io.quern.op.Window3d;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Layers in mixed precision against the same layers in double precision, on rounded numbers. */
class PrecisionTest {
  private static final Mode BF16 = Mode.INFERENCE.precision(DType.BF16);

  /** The largest relative error of rounding to BF16. */
  private static final double UNIT = DType.BF16.epsilon() / 2;

  /** The largest error of a sum of 200 products in F32, relative to the sum of their magnitudes. */
  private static final double SUM = 200 * DType.F32.epsilon() / 2;

  static Stream<Arguments> products() {
    Window window = Window.of(3).padding(1);
    return Stream.of(
        layer("linear", () -> Linear.of(24, 7, Rng.of(1)), 2, 5, 24),
        layer("linear without bias", () -> Linear.of(24, 7, false, Rng.of(1)), 5, 24),
        layer("conv1d", () -> Conv1d.builder(4, 6, 3).groups(2).build(Rng.of(1)), 2, 4, 9),
        layer("conv1d without bias", () -> unbiased(), 2, 4, 9),
        layer("conv2d", () -> Conv2d.of(3, 5, window, Rng.of(1)), 2, 3, 6, 5),
        layer("depthwise", () -> Conv2d.of(4, 4, window, 4, false, Rng.of(1)), 2, 4, 6, 5),
        layer("conv3d", () -> Conv3d.of(2, 3, Window3d.of(2), Rng.of(1)), 2, 2, 4, 3, 5),
        layer("transposed", () -> ConvTranspose2d.of(3, 4, window, Rng.of(1)), 2, 3, 4, 5));
  }

  private static Module unbiased() {
    return Conv1d.builder(4, 6, 3).bias(false).build(Rng.of(1));
  }

  private static Arguments layer(String name, Supplier<Module> make, long... input) {
    return Arguments.of(Named.of(name, make), Rng.of(2).normal(input));
  }

  /** The nearest numbers of BF16, in double precision. */
  private static Tensor rounded(Tensor tensor) {
    return tensor.to(DType.BF16).to(DType.F64);
  }

  private static Tensor roundedMagnitude(Tensor tensor) {
    return rounded(tensor).abs();
  }

  /** A layer in double precision with other weights. */
  private static Module doubles(Supplier<Module> make, UnaryOperator<Tensor> change) {
    Module layer = make.get().to(DType.F64);
    layer.parameters().values().forEach(weight -> weight.copyFrom(change.apply(weight.detach())));
    return layer;
  }

  private static double largest(Tensor tensor) {
    return Arrays.stream(tensor.toDoubleArray()).map(Math::abs).max().orElse(0);
  }

  @ParameterizedTest
  @MethodSource("products")
  void productsAreThoseOfRoundedNumbers(Supplier<Module> make, Tensor input) {
    Module layer = make.get();
    Tensor found = layer.forward(input, BF16);
    assertThat(found.dtype()).isEqualTo(DType.BF16);
    Tensor x = rounded(input);
    double[] exact = doubles(make, PrecisionTest::rounded).forward(x).toDoubleArray();
    double[] magnitude =
        doubles(make, PrecisionTest::roundedMagnitude).forward(x.abs()).toDoubleArray();
    double bias = largest(layer.parameters().getOrDefault("bias", Tensor.zeros(1)));
    double[] elements = found.toDoubleArray();
    for (int i = 0; i < exact.length; i++) {
      // The product may be rounded before the bias is added.
      double roundings = UNIT * (Math.abs(exact[i]) + bias) + UNIT * Math.abs(exact[i]);
      double tolerance = (1 + UNIT) * (roundings + SUM * magnitude[i]);
      assertThat(elements[i]).as("element %s", i).isCloseTo(exact[i], within(tolerance));
    }
  }

  @ParameterizedTest
  @MethodSource("products")
  void gradientsOfProductsHaveTheDtypeOfTheWeights(Supplier<Module> make, Tensor input) {
    Module layer = make.get();
    Module exact = doubles(make, PrecisionTest::rounded);
    Module magnitude = doubles(make, PrecisionTest::roundedMagnitude);
    Tensor x = input.requireGrad();
    Tensor output = layer.forward(x, Mode.training(Rng.of(3)).precision(DType.BF16));
    Tensor upstream = Rng.of(4).normal(output.shape().toArray()).to(DType.BF16);
    Gradients found = output.mul(upstream).to(DType.F32).sum().backward();
    Tensor twin = rounded(input).requireGrad();
    Gradients expected = backward(exact, twin, upstream.to(DType.F64));
    Tensor positive = rounded(input).abs().requireGrad();
    Gradients bound = backward(magnitude, positive, upstream.to(DType.F64).abs());
    // Frames of a volume that windows share add up what each window gives, rounded.
    double parts = x.rank() == 5 ? UNIT : 0;
    assertGradient(found.get(x), expected.get(twin), bound.get(positive), parts);
    layer
        .parameters()
        .forEach(
            (name, weight) ->
                assertGradient(
                    found.get(weight),
                    expected.get(exact.parameters().get(name)),
                    bound.get(magnitude.parameters().get(name)),
                    0));
  }

  private static Gradients backward(Module layer, Tensor input, Tensor upstream) {
    return layer.forward(input, Mode.training(Rng.of(3))).mul(upstream).sum().backward();
  }

  private static void assertGradient(Tensor found, Tensor exact, Tensor magnitude, double parts) {
    assertThat(found.dtype()).isEqualTo(DType.F32);
    double[] elements = found.toDoubleArray();
    double[] expected = exact.toDoubleArray();
    double[] sums = magnitude.toDoubleArray();
    for (int i = 0; i < expected.length; i++) {
      double tolerance = UNIT * Math.abs(expected[i]) + (1 + UNIT) * (SUM + parts) * sums[i];
      assertThat(elements[i]).as("element %s", i).isCloseTo(expected[i], within(tolerance));
    }
  }

  // ---- attention --------------------------------------------------------------------------

  private static final int DIM = 8;
  private static final int HEADS = 2;

  private static Module attention() {
    Module attention = MultiHeadAttention.of(DIM, HEADS, Rng.of(1));
    attention.parameters().get("in_proj_bias").copyFrom(Rng.of(5).normal(3 * DIM).mul(0.1));
    attention.parameters().get("out_proj.bias").copyFrom(Rng.of(6).normal(DIM).mul(0.1));
    return attention;
  }

  /** Errors of each stage are bounded by those of the one before and by its roundings. */
  @Test
  void attentionIsThatOfRoundedNumbers() {
    Tensor input = Rng.of(2).normal(2, 5, DIM).mul(0.25);
    Tensor x = rounded(input);
    Module exact = doubles(PrecisionTest::attention, PrecisionTest::rounded);
    Map<String, Tensor> weights = exact.parameters();
    Tensor projection = weights.get("in_proj_weight").abs().transpose(0, 1);
    double most = largest(x.abs().matmul(projection).add(weights.get("in_proj_bias").abs()));
    double projected = (2 * UNIT * (1 + UNIT) + SUM) * most;
    double width = Math.sqrt((double) DIM / HEADS);
    double scores = width * (2 * most + projected) * projected + 2 * UNIT * width * most * most;
    double attended = Math.expm1(2 * scores) * most + projected + 3 * UNIT * most;
    double rows = largest(weights.get("out_proj.weight").abs().sum(1));
    double bias = largest(weights.get("out_proj.bias"));

    Tensor found = attention().forward(input, BF16);
    assertThat(found.dtype()).isEqualTo(DType.BF16);
    double[] expected = exact.forward(x).toDoubleArray();
    double[] elements = found.toDoubleArray();
    for (int i = 0; i < expected.length; i++) {
      double reached = Math.abs(expected[i]) + rows * attended + bias;
      double tolerance = rows * attended + (2 * UNIT * (1 + UNIT) + SUM) * reached;
      assertThat(elements[i]).as("element %s", i).isCloseTo(expected[i], within(tolerance));
    }
  }

  @Test
  void attentionTakesMasksAndOtherSequencesInPrecision() {
    MultiHeadAttention attention = (MultiHeadAttention) attention();
    Tensor query = Rng.of(2).normal(2, 3, DIM);
    Tensor key = Rng.of(3).normal(2, 4, DIM);
    Tensor visible = Tensor.ofBytes(new byte[] {1, 1, 0, 1}, 1, 4).to(DType.BOOL);
    Tensor added = Tensor.of(new float[] {0, 0, Float.NEGATIVE_INFINITY, 0}, 1, 4);
    Tensor hidden = attention.attend(query, key, key, visible, BF16);
    assertThat(hidden.dtype()).isEqualTo(DType.BF16);
    assertThat(attention.attend(query, key, key, added, BF16).toByteArray())
        .isEqualTo(hidden.toByteArray());
    Module dropping = MultiHeadAttention.builder(DIM, HEADS).dropout(0.5).build(Rng.of(1));
    Mode training = Mode.training(Rng.of(3)).precision(DType.BF16);
    Tensor trained = dropping.forward(query, training);
    assertThat(trained.dtype()).isEqualTo(DType.BF16);
    Gradients gradients = trained.to(DType.F32).square().sum().backward();
    dropping
        .parameters()
        .values()
        .forEach(weight -> assertThat(gradients.get(weight).dtype()).isEqualTo(DType.F32));
  }

  // ---- normalisation ----------------------------------------------------------------------

  static Stream<Arguments> norms() {
    return Stream.of(
        layer("layer norm", () -> LayerNorm.of(2, 3), 4, 4, 2, 3),
        layer("RMS norm", () -> RmsNorm.of(6), 5, 6),
        layer("group norm", () -> GroupNorm.of(2, 4), 3, 4, 5),
        layer("batch norm", () -> BatchNorm2d.of(3), 4, 3, 2, 5));
  }

  @ParameterizedTest
  @MethodSource("norms")
  void normalisationsComputeInTheDtypeOfTheirWeights(Supplier<Module> make, Tensor input) {
    for (DType dtype : List.of(DType.BF16, DType.F32)) {
      Tensor x = input.add(2).to(dtype);
      Module exact = make.get().to(DType.F64);
      Tensor expected = exact.forward(x.to(DType.F64), Mode.training(Rng.of(1)));
      Module norm = make.get();
      Mode mode = Mode.training(Rng.of(1)).precision(DType.BF16);
      Tensor leaf = x.requireGrad();
      Tensor found = norm.forward(leaf, mode);
      assertThat(found.dtype()).isEqualTo(dtype);
      // Rounded once, after some operations in F32 on numbers below 10.
      assertNear(found, expected, dtype == DType.BF16 ? UNIT : 0, 100 * DType.F32.epsilon());
      norm.buffers()
          .forEach((name, buffer) -> assertNear(buffer, exact.buffers().get(name), 0, 1e-5));
      assertNear(norm.forward(x, BF16), exact.forward(x.to(DType.F64)), UNIT, 1e-5);

      Gradients gradients = found.to(DType.F32).square().sum().backward();
      assertThat(gradients.get(leaf).dtype()).isEqualTo(dtype);
      for (Tensor weight : norm.parameters().values()) {
        assertThat(gradients.get(weight).dtype()).isEqualTo(DType.F32);
      }
    }
  }

  private static void assertNear(Tensor found, Tensor exact, double relative, double absolute) {
    double[] elements = found.toDoubleArray();
    double[] expected = exact.toDoubleArray();
    assertThat(elements).hasSameSizeAs(expected);
    for (int i = 0; i < expected.length; i++) {
      double tolerance = relative * Math.abs(expected[i]) + absolute;
      assertThat(elements[i]).as("element %s", i).isCloseTo(expected[i], within(tolerance));
    }
  }

  // ---- other layers -----------------------------------------------------------------------

  @Test
  void embeddingsAreRounded() {
    Embedding table = Embedding.of(5, 3, Rng.of(1));
    Tensor row = table.forward(Tensor.of(new long[] {4, 0}), BF16);
    Tensor weight = table.parameters().get("weight");
    assertThat(row.dtype()).isEqualTo(DType.BF16);
    assertThat(row.select(0, 0).toDoubleArray())
        .containsExactly(rounded(weight).select(0, 4).toDoubleArray());
    Gradients gradients = row.to(DType.F32).sum().backward();
    assertThat(gradients.get(weight).sum(1).toFloatArray()).containsExactly(3, 0, 0, 0, 3);
  }

  @Test
  void residualConnectionsAddInPrecision() {
    Module body = Linear.of(4, 4, Rng.of(1));
    Tensor input = Rng.of(2).normal(3, 4);
    Tensor found = Residual.of(body).forward(input, BF16);
    Tensor exact = body.forward(input, BF16).to(DType.F64).add(rounded(input));
    assertThat(found.dtype()).isEqualTo(DType.BF16);
    assertThat(found.toDoubleArray()).containsExactly(rounded(exact).toDoubleArray());
  }

  // ---- the mode ---------------------------------------------------------------------------

  @Test
  void withoutAPrecisionNothingIsConverted() {
    Module model =
        Sequential.of(
            Conv2d.of(1, 4, 3, Rng.of(1)),
            BatchNorm2d.of(4),
            GroupNorm.of(2, 4),
            new Relu(),
            Flatten.of(),
            Linear.of(64, 8, Rng.of(2)),
            LayerNorm.of(8),
            Residual.of(Sequential.of(RmsNorm.of(8), Linear.of(8, 8, Rng.of(3)))));
    assertThat(graph(model, Mode.INFERENCE)).doesNotContain("Cast");
    assertThat(graph(model, Mode.INFERENCE.precision(DType.F32)))
        .isEqualTo(graph(model, Mode.INFERENCE));
    Mode training = Mode.training(Rng.of(1));
    assertThat(graph(model, training.precision(DType.F32))).isEqualTo(graph(model, training));
    assertThat(graph(model, training.precision(DType.BF16))).contains("Cast[dtype=BF16]");
  }

  private static String graph(Module model, Mode mode) {
    List<TensorSpec> images = List.of(new TensorSpec(DType.F32, Shape.of(2, 1, 6, 6)));
    return Trace.of(x -> List.of(model.forward(x.getFirst(), mode)), Device.cpu(), images)
        .toString();
  }

  @Test
  void castLeavesAloneWhatIsNotOfAFloatDtype() {
    Tensor indices = Tensor.of(new long[] {1, 2});
    Tensor x = Tensor.ones(2);
    assertThat(BF16.cast(indices)).isSameAs(indices);
    assertThat(Mode.INFERENCE.cast(x)).isSameAs(x);
    assertThat(Mode.INFERENCE.precision(DType.F32).cast(x)).isSameAs(x);
    assertThat(BF16.cast(x).dtype()).isEqualTo(DType.BF16);
  }

  @Test
  void aModeIsNotChangedByAskingForAPrecision() {
    Mode training = Mode.training(Rng.of(1));
    Mode mixed = training.precision(DType.BF16);
    assertThat(training.precision()).isEmpty();
    assertThat(mixed.precision()).contains(DType.BF16);
    assertThat(mixed.rng()).isSameAs(training.rng());
    assertThat(mixed).hasToString("training in BF16");
    assertThat(BF16.isTraining()).isFalse();
    assertThat(mixed.precision(DType.F16).precision()).contains(DType.F16);
  }

  @ParameterizedTest
  @EnumSource(
      mode = EnumSource.Mode.EXCLUDE,
      names = {"BF16", "F16", "F32"})
  void otherDtypesAreNoPrecision(DType dtype) {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Mode.INFERENCE.precision(dtype))
        .withMessage("mode: the precision must be BF16, F16 or F32, found " + dtype);
  }
}
