package io.quern.graph;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.DType;
import io.quern.Device;
import io.quern.Rng;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.op.Conv2d;
import io.quern.op.Reduce;
import io.quern.op.TensorSpec;
import io.quern.op.Unary;
import io.quern.op.View;
import io.quern.op.Window;
import io.quern.plan.Compiled;
import java.util.List;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Wholes are found in their pieces, whatever the order of factors, and only there. */
class RecogniseTest {
  private static final Rng RNG = Rng.of(5);

  private static List<String> names(
      Function<List<Tensor>, List<Tensor>> function, Shape... shapes) {
    Graph graph = Recognise.apply(Trace.of(function, Device.cpu(), specs(shapes)));
    return graph.nodes().stream()
        .filter(node -> !(node.op() instanceof View))
        .map(node -> node.op().name())
        .toList();
  }

  private static List<TensorSpec> specs(Shape... shapes) {
    return List.of(shapes).stream().map(shape -> new TensorSpec(DType.F32, shape)).toList();
  }

  private static Function<List<Tensor>, List<Tensor>> one(UnaryOperator<Tensor> function) {
    return inputs -> List.of(function.apply(inputs.getFirst()));
  }

  /** Results differ by the rounding of a few operations on numbers of this size. */
  private static void assertSame(
      Function<List<Tensor>, List<Tensor>> function, double size, Shape... shapes) {
    Tensor[] arguments =
        List.of(shapes).stream().map(shape -> RNG.normal(shape, 0, 1)).toArray(Tensor[]::new);
    List<TensorSpec> specs = specs(shapes);
    double[] pieces =
        new Compiled(Device.cpu(), function, specs).run(arguments.clone()).toDoubleArray();
    double[] whole =
        new Compiled(Device.cpu(), function, specs, Recognise::apply)
            .run(arguments.clone())
            .toDoubleArray();
    for (int i = 0; i < pieces.length; i++) {
      assertThat(Math.abs(whole[i] - pieces[i])).isLessThanOrEqualTo(32 * size * 0x1p-24);
    }
  }

  private static Tensor mean(Tensor x) {
    return Tensor.apply(new Reduce(Reduce.Fn.SUM, List.of(x.rank() - 1), true), x)
        .mul(1.0 / x.dim(-1));
  }

  private static final Tensor GAMMA = RNG.normal(24);
  private static final Tensor BETA = RNG.normal(24);

  @ParameterizedTest
  @ValueSource(strings = {"off", "OFF", "false", "0"})
  void canBeSwitchedOff(String value) {
    Function<List<Tensor>, List<Tensor>> function =
        one(x -> x.mul(0.5).mul(x.mul(Math.sqrt(0.5)).map(Unary.Fn.ERF).add(1)));
    assertThat(names(function, Shape.of(4))).containsExactly("gelu");
    System.setProperty("quern.recognise", value);
    try {
      assertThat(names(function, Shape.of(4))).contains("erf").doesNotContain("gelu");
    } finally {
      System.clearProperty("quern.recognise");
    }
  }

  @Test
  void layerNorm() {
    UnaryOperator<Tensor> byDivision =
        x -> {
          Tensor centred = x.sub(mean(x));
          Tensor deviation = mean(centred.square()).add(1e-5).sqrt();
          return centred.div(deviation).mul(GAMMA).add(BETA);
        };
    UnaryOperator<Tensor> byProduct =
        x -> {
          Tensor centred = x.sub(mean(x));
          Tensor inverse = mean(centred.mul(centred)).add(1e-5).map(Unary.Fn.RSQRT);
          return BETA.add(GAMMA.mul(inverse.mul(centred)));
        };
    for (UnaryOperator<Tensor> pieces : List.of(byDivision, byProduct)) {
      assertThat(names(one(pieces), Shape.of(3, 5, 24))).containsExactly("layer_norm");
      assertSame(one(pieces), 8, Shape.of(3, 5, 24));
    }
  }

  @Test
  void deviationOfAnotherValueIsNotLayerNorm() {
    Function<List<Tensor>, List<Tensor>> mixed =
        inputs -> {
          Tensor x = inputs.get(0);
          Tensor other = inputs.get(1).sub(mean(inputs.get(1)));
          Tensor deviation = mean(other.square()).add(1e-5).sqrt();
          return List.of(x.sub(mean(x)).div(deviation).mul(GAMMA).add(BETA));
        };
    assertThat(names(mixed, Shape.of(5, 24), Shape.of(5, 24))).doesNotContain("layer_norm");
  }

  @Test
  void gelu() {
    double root = Math.sqrt(2);
    List<UnaryOperator<Tensor>> forms =
        List.of(
            x -> x.mul(x.div(root).map(Unary.Fn.ERF).add(1)).mul(0.5),
            x -> x.mul(0.5).mul(x.mul(1 / root).map(Unary.Fn.ERF).add(1)),
            x -> x.div(root).map(Unary.Fn.ERF).add(1).mul(0.5).mul(x));
    for (UnaryOperator<Tensor> form : forms) {
      assertThat(names(one(form), Shape.of(7, 9))).containsExactly("gelu");
      assertSame(one(form), 4, Shape.of(7, 9));
    }
    assertThat(names(one(x -> x.mul(x.div(root).map(Unary.Fn.ERF).add(1))), Shape.of(4)))
        .doesNotContain("gelu");
  }

  @Test
  void softmax() {
    UnaryOperator<Tensor> pieces =
        x -> {
          Tensor max = Tensor.apply(new Reduce(Reduce.Fn.MAX, List.of(1), true), x);
          Tensor powers = x.sub(max).exp();
          return powers.div(Tensor.apply(new Reduce(Reduce.Fn.SUM, List.of(1), true), powers));
        };
    assertThat(names(one(pieces), Shape.of(3, 7, 2))).containsExactly("softmax");
    assertSame(one(pieces), 1, Shape.of(3, 7, 2));
  }

  private static final Shape HEADS = Shape.of(2, 3, 8, 4);

  @Test
  void attention() {
    Function<List<Tensor>, List<Tensor>> pieces =
        inputs -> {
          Tensor keys = inputs.get(1).transpose(2, 3);
          Tensor scores = inputs.get(0).matmul(keys).div(2).add(inputs.get(3));
          return List.of(scores.softmax(-1).matmul(inputs.get(2)));
        };
    Shape[] shapes = {HEADS, HEADS, HEADS, Shape.of(2, 1, 1, 8)};
    assertThat(names(pieces, shapes)).containsExactly("attention");
    assertSame(pieces, 16, shapes);
  }

  @Test
  void attentionWhoseQueriesAndKeysAreScaled() {
    Function<List<Tensor>, List<Tensor>> pieces =
        inputs -> {
          Tensor keys = inputs.get(1).transpose(2, 3).mul(0.7);
          Tensor scores = inputs.get(0).mul(0.7).matmul(keys);
          return List.of(scores.softmax(-1).matmul(inputs.get(2)));
        };
    assertThat(names(pieces, HEADS, HEADS, HEADS)).containsExactly("attention");
    assertSame(pieces, 16, HEADS, HEADS, HEADS);
  }

  @Test
  void weightsThatAreResultsStay() {
    Function<List<Tensor>, List<Tensor>> pieces =
        inputs -> {
          Tensor weights = inputs.get(0).matmul(inputs.get(1).transpose(2, 3)).softmax(-1);
          return List.of(weights, weights.matmul(inputs.get(2)));
        };
    assertThat(names(pieces, HEADS, HEADS, HEADS)).doesNotContain("attention");
  }

  @Test
  void factorsAndShiftsOfChannelsBecomePartOfTheConvolution() {
    Tensor weight = RNG.normal(6, 3, 3, 3);
    Tensor factor = RNG.normal(6, 1, 1);
    Tensor shift = RNG.normal(6, 1, 1);
    UnaryOperator<Tensor> pieces =
        x ->
            Tensor.apply(new Conv2d(Window.of(3), 1), x, weight)
                .mul(factor)
                .add(shift)
                .mul(factor)
                .add(shift);
    assertThat(names(one(pieces), Shape.of(2, 3, 6, 6))).containsExactly("conv2d");
    assertSame(one(pieces), 512, Shape.of(2, 3, 6, 6));
  }

  @Test
  void weightsThatChangeAreReadAnew() {
    Tensor weight = Tensor.ones(1, 1, 1, 1);
    Tensor factor = Tensor.full(3, DType.F32, Device.cpu(), 1, 1, 1);
    Compiled compiled =
        new Compiled(
            Device.cpu(),
            one(x -> Tensor.apply(new Conv2d(Window.of(1), 1), x, weight).mul(factor)),
            specs(Shape.of(1, 1, 1, 1)),
            Recognise::apply);
    Tensor x = Tensor.ones(1, 1, 1, 1);
    assertThat(compiled.run(x).item()).isEqualTo(3);
    weight.copyFrom(Tensor.full(2, DType.F32, Device.cpu(), 1, 1, 1, 1));
    assertThat(compiled.run(x).item()).isEqualTo(6);
  }
}
