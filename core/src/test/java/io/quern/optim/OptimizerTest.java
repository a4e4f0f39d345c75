package io.quern.optim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.quern.DType;
import io.quern.Rng;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.grad.Gradients;
import io.quern.op.Unary;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Optimisers against the published formulas, element by element in double precision. */
class OptimizerTest {
  private static final int STEPS = 7;

  private static Tensor normal(long seed, long... shape) {
    return Rng.of(seed).normal(Shape.of(shape), 0, 1, DType.F64, io.quern.Device.cpu());
  }

  private static Map<String, Tensor> parameters() {
    Map<String, Tensor> parameters = new LinkedHashMap<>();
    parameters.put("a", normal(1, 3, 4).requireGrad());
    parameters.put("b", normal(2, 5).requireGrad());
    return parameters;
  }

  private static Gradients gradients(Map<String, Tensor> parameters, int step) {
    // The first one as a transposed view, as matrix products give it.
    Tensor first = normal(100 + step, 4, 3).transpose(0, 1);
    return Gradients.of(parameters.values(), List.of(first, normal(200 + step, 5)));
  }

  /** One parameter's life by a scalar formula. */
  private interface Formula {
    double next(double p, double g, int step);
  }

  private static void check(
      Function<Map<String, Tensor>, Optimizer> make, java.util.function.Supplier<Formula> formula) {
    Map<String, Tensor> parameters = parameters();
    double[][] expected = {
      parameters.get("a").toDoubleArray(), parameters.get("b").toDoubleArray()
    };
    Formula[][] formulas = new Formula[2][];
    for (int i = 0; i < 2; i++) {
      formulas[i] = new Formula[expected[i].length];
      java.util.Arrays.setAll(formulas[i], at -> formula.get());
    }
    Optimizer optimizer = make.apply(parameters);
    for (int step = 1; step <= STEPS; step++) {
      Gradients gradients = gradients(parameters, step);
      int i = 0;
      for (Tensor parameter : parameters.values()) {
        double[] g = gradients.get(parameter).toDoubleArray();
        for (int at = 0; at < g.length; at++) {
          expected[i][at] = formulas[i][at].next(expected[i][at], g[at], step);
        }
        i++;
      }
      optimizer.step(gradients);
    }
    assertThat(optimizer.steps()).isEqualTo(STEPS);
    int i = 0;
    for (Tensor parameter : parameters.values()) {
      double[] found = parameter.toDoubleArray();
      for (int at = 0; at < found.length; at++) {
        assertThat(found[at]).isCloseTo(expected[i][at], within(1e-12));
      }
      i++;
    }
  }

  private static final class SgdFormula implements Formula {
    private final double momentum;
    private final boolean nesterov;
    private final double decay;
    private double velocity;

    SgdFormula(double momentum, boolean nesterov, double decay) {
      this.momentum = momentum;
      this.nesterov = nesterov;
      this.decay = decay;
    }

    @Override
    public double next(double p, double g, int step) {
      double d = g + decay * p;
      velocity = momentum * velocity + d;
      return p - 0.1 * (nesterov ? d + momentum * velocity : velocity);
    }
  }

  @ParameterizedTest
  @CsvSource({"0, false, 0", "0, false, 0.1", "0.9, false, 0", "0.9, true, 0", "0.5, true, 0.2"})
  void sgdIsItsFormula(double momentum, boolean nesterov, double decay) {
    check(
        p -> Sgd.builder(p, 0.1).momentum(momentum).nesterov(nesterov).weightDecay(decay).build(),
        () -> new SgdFormula(momentum, nesterov, decay));
  }

  private static final class AdamFormula implements Formula {
    private final double decay;
    private final boolean decoupled;
    private double m;
    private double v;

    AdamFormula(double decay, boolean decoupled) {
      this.decay = decay;
      this.decoupled = decoupled;
    }

    @Override
    public double next(double p, double g, int step) {
      double d = decoupled ? g : g + decay * p;
      m = 0.8 * m + 0.2 * d;
      v = 0.95 * v + 0.05 * d * d;
      double unbiasedM = m / (1 - Math.pow(0.8, step));
      double unbiasedV = v / (1 - Math.pow(0.95, step));
      double start = decoupled ? p - 0.01 * decay * p : p;
      return start - 0.01 * unbiasedM / (Math.sqrt(unbiasedV) + 1e-3);
    }
  }

  @ParameterizedTest
  @CsvSource({"0, false", "0.1, false", "0.1, true"})
  void adamIsItsFormula(double decay, boolean decoupled) {
    check(
        p -> {
          Adam.Builder builder = Adam.builder(p, 0.01).betas(0.8, 0.95).epsilon(1e-3);
          return (decoupled ? builder.decoupledWeightDecay(decay) : builder.weightDecay(decay))
              .build();
        },
        () -> new AdamFormula(decay, decoupled));
  }

  @Test
  void parametersAreChangedInPlaceAndThoseWithoutGradientStay() {
    Map<String, Tensor> parameters = parameters();
    Tensor a = parameters.get("a");
    Tensor b = parameters.get("b");
    byte[] before = b.toByteArray();
    Sgd sgd = Sgd.of(parameters, 0.1);
    sgd.step(Gradients.of(List.of(a), List.of(normal(3, 3, 4))));
    assertThat(sgd.parameters()).containsValues(a, b);
    assertThat(b.toByteArray()).isEqualTo(before);
    assertThat(a.requiresGrad()).isTrue();
    assertThat(a.isTracked()).isTrue();
    assertThat(a.gradNode()).isNull();
  }

  @Test
  void theLearningRateCanBeChanged() {
    Map<String, Tensor> parameters = parameters();
    byte[] before = parameters.get("a").toByteArray();
    Sgd sgd = Sgd.of(parameters, 0.1);
    sgd.learningRate(0);
    sgd.step(gradients(parameters, 1));
    assertThat(parameters.get("a").toByteArray()).isEqualTo(before);
    assertThatThrownBy(() -> sgd.learningRate(Double.NaN))
        .hasMessage("sgd: the learning rate must be finite and 0 or more, found NaN");
    assertThat(sgd.learningRate()).isZero();
  }

  @Test
  void aLoadedStateGoesOnWithTheSameBits() {
    for (Function<Map<String, Tensor>, Optimizer> make :
        List.<Function<Map<String, Tensor>, Optimizer>>of(
            p -> Sgd.of(p, 0.1),
            p -> Sgd.builder(p, 0.1).momentum(0.9).build(),
            p -> Adam.adamW(p, 0.01, 0.1))) {
      Map<String, Tensor> straight = parameters();
      Optimizer one = make.apply(straight);
      for (int step = 0; step < 3; step++) {
        one.step(gradients(straight, step));
      }
      Map<String, Tensor> resumed = new LinkedHashMap<>();
      straight.forEach(
          (name, p) -> resumed.put(name, p.contiguous().add(0).detach().requireGrad()));
      Optimizer two = make.apply(resumed);
      two.loadState(one.state(), one.steps(), one.learningRate());
      one.step(gradients(straight, 9));
      two.step(gradients(resumed, 9));
      straight.forEach(
          (name, p) -> assertThat(resumed.get(name).toByteArray()).isEqualTo(p.toByteArray()));
      assertThat(two.steps()).isEqualTo(4);
    }
  }

  @Test
  void aStateThatDoesNotFitIsRefusedWhole() {
    Map<String, Tensor> parameters = parameters();
    Adam adam = Adam.of(parameters, 0.1);
    assertThat(adam.state()).containsOnlyKeys("m.a", "m.b", "v.a", "v.b");
    Map<String, Tensor> state = new LinkedHashMap<>(adam.state());
    state.remove("v.b");
    state.put("m.a", normal(1, 4, 3));
    state.put("w.a", normal(1, 1));
    assertThatThrownBy(() -> adam.loadState(state, -1, 0.1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "adam: the state does not fit: m.a: expected F64[3, 4], found F64[4, 3], missing v.b,"
                + " unexpected w.a, steps must be 0 or more, found -1");
    assertThat(adam.state().get("m.a").abs().max().item()).isZero();
  }

  @Test
  void nonFiniteGradientsAreRefusedOnRequest() {
    Map<String, Tensor> parameters = parameters();
    byte[] before = parameters.get("a").toByteArray();
    Tensor bad = Tensor.of(new double[] {1, 2, Double.NEGATIVE_INFINITY, 3, 4});
    Gradients gradients = Gradients.of(parameters.values(), List.of(normal(1, 3, 4), bad));
    Optimizer careful = Adam.of(parameters, 0.1).refuseNonFinite(true);
    assertThatThrownBy(() -> careful.step(gradients))
        .isInstanceOf(ArithmeticException.class)
        .hasMessageStartingWith("gradients: that of b F64[5] is -Infinity at element 2; lower");
    assertThat(parameters.get("a").toByteArray()).isEqualTo(before);
    assertThat(careful.steps()).isZero();
    Sgd.of(parameters, 0.1).step(gradients);
    assertThat(parameters.get("b").toDoubleArray()[2]).isInfinite();
  }

  @Test
  void badOptionsAreNamed() {
    Map<String, Tensor> parameters = parameters();
    assertThatThrownBy(() -> Sgd.builder(parameters, 0.1).momentum(1))
        .hasMessage("sgd: momentum must be at least 0 and less than 1, found 1.0");
    assertThatThrownBy(() -> Sgd.builder(parameters, 0.1).nesterov(true).build())
        .hasMessage("sgd: nesterov needs a momentum");
    assertThatThrownBy(() -> Adam.builder(parameters, 0.1).betas(0.9, 1))
        .hasMessageContaining("adam: the second beta must be at least 0 and less than 1");
    assertThatThrownBy(() -> Adam.of(Map.of("ids", Tensor.of(new long[1])), 0.1))
        .hasMessage("adam: parameter ids must be contiguous and of a float dtype, found I64[1]");
    assertThat(Adam.adamW(parameters, 0.1, 0.01).settings())
        .containsEntry("weightDecay", "0.01")
        .containsEntry("decoupled", "true");
    assertThat(Adam.adamW(parameters, 0.1, 0.01).name()).isEqualTo("adamw");
  }

  /** An optimiser of one's own (Chen et al. 2023, "Lion", without weight decay). */
  private static final class Lion extends Optimizer {
    private final Map<String, Tensor> mean = zeros("mean");

    Lion(Map<String, Tensor> parameters, double learningRate) {
      super("lion", parameters, learningRate);
    }

    @Override
    public Map<String, String> settings() {
      return Map.of();
    }

    @Override
    protected double[] scalars(double rate, long step) {
      return new double[] {rate};
    }

    @Override
    protected void update(String name, Tensor parameter, Tensor gradient, Tensor scalars) {
      Tensor m = mean.get(name);
      Tensor direction = m.mul(0.9).add(gradient.mul(0.1)).map(Unary.Fn.SIGN);
      parameter.copyFrom(parameter.sub(direction.mul(scalars)));
      m.copyFrom(m.mul(0.99).add(gradient.mul(0.01)));
    }
  }

  @Test
  void optimisersOfOnesOwnNeedOneMethodForTheUpdate() {
    check(
        p -> new Lion(p, 0.1),
        () ->
            new Formula() {
              private double m;

              @Override
              public double next(double p, double g, int step) {
                double next = p - 0.1 * Math.signum(0.9 * m + 0.1 * g);
                m = 0.99 * m + 0.01 * g;
                return next;
              }
            });
    assertThat(new Lion(parameters(), 0.1).state()).containsOnlyKeys("mean.a", "mean.b");
  }
}
