package io.quern.grad;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.quern.DType;
import io.quern.Device;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.TensorScope;
import io.quern.op.GroupNorm;
import io.quern.op.Pool2d;
import io.quern.op.Pool2dGrad;
import io.quern.op.SgdStep;
import io.quern.op.Window;
import java.util.List;
import java.util.function.Function;
import org.junit.jupiter.api.Test;

/** Recording and walking back; the rules themselves are checked by the conformance suite. */
class TapeTest {
  private static Tensor leaf(double... values) {
    return Tensor.of(values).requireGrad();
  }

  private static double[] gradient(Tensor leaf, Function<Tensor, Tensor> function) {
    return function.apply(leaf).sum().backward().get(leaf).toDoubleArray();
  }

  // ---- graphs -----------------------------------------------------------------------------

  @Test
  void theSameTensorTwiceCountsTwice() {
    assertThat(gradient(leaf(3), x -> x.mul(x))).containsExactly(6);
    assertThat(gradient(leaf(3), x -> x.add(x))).containsExactly(2);
    assertThat(gradient(leaf(3), x -> x.sub(x))).containsExactly(0);
    assertThat(gradient(leaf(1, 2), x -> Tensor.concat(0, x, x, x))).containsExactly(3, 3);
  }

  @Test
  void gradientsOfAllPathsOfADiamondAddUp() {
    // x -> a = x^2, b = 3x -> a * b = 3x^3, and once more x itself
    assertThat(gradient(leaf(2), x -> x.square().mul(x.mul(3)).add(x))).containsExactly(37);
  }

  @Test
  void longAndShortPathsAreWalkedInOrder() {
    // The long path must be finished before x's own node is used: x is not a leaf here.
    Tensor leaf = leaf(1.5);
    Tensor x = leaf.mul(2);
    Tensor longPath = x;
    for (int i = 0; i < 20; i++) {
      longPath = longPath.mul(1.1).add(x);
    }
    double factor = 1;
    for (int i = 0; i < 20; i++) {
      factor = factor * 1.1 + 1;
    }
    Tensor result = longPath.add(x).sum();
    assertThat(result.backward().get(leaf).item()).isCloseTo(2 * (factor + 1), within(1e-9));
  }

  @Test
  void repeatedDiamondsTakeLinearTime() {
    Tensor leaf = leaf(1);
    Tensor x = leaf;
    for (int i = 0; i < 60; i++) {
      x = x.mul(0.5).add(x.mul(0.5));
    }
    assertThat(x.sum().backward().get(leaf).item()).isEqualTo(1);
  }

  @Test
  void theOrderOfAccumulationIsFixed() {
    Tensor leaf = leaf(0.1, 0.7);
    Function<Tensor, Tensor> function =
        x -> x.exp().add(x.map(io.quern.op.Unary.Fn.SIN)).add(x.square()).add(x.mul(1e-17)).add(x);
    double[] first = gradient(leaf, function);
    for (int i = 0; i < 20; i++) {
      assertThat(gradient(leaf, function)).isEqualTo(first);
    }
  }

  @Test
  void gradientsAreFoundForTrackedResultsOnTheWay() {
    Tensor leaf = leaf(3);
    Tensor between = leaf.square().requireGrad();
    Gradients gradients = between.mul(5).sum().backward();
    assertThat(gradients.get(between).item()).isEqualTo(5);
    assertThat(gradients.get(leaf).item()).isEqualTo(30);
  }

  @Test
  void untrackedInputsAreLeftOut() {
    Tensor leaf = leaf(2);
    Tensor fixed = Tensor.of(new double[] {5});
    Gradients gradients = leaf.mul(fixed).sum().backward();
    assertThat(gradients.find(fixed)).isEmpty();
    assertThat(gradients.get(leaf).item()).isEqualTo(5);
    assertThatIllegalArgumentException()
        .isThrownBy(() -> gradients.get(fixed))
        .withMessageStartingWith("gradients: none for tensor F64[1]; was requireGrad() called");
    assertThat(fixed.mul(fixed).isTracked()).isFalse();
    assertThat(leaf.detach().mul(fixed).isTracked()).isFalse();
  }

  @Test
  void askingAfterUseComesTooLate() {
    Tensor early = leaf(2);
    Tensor late = Tensor.of(new double[] {5});
    Tensor product = early.mul(late).sum();
    late.requireGrad();
    assertThat(product.backward().find(late)).isEmpty();
  }

  @Test
  void integersCarryNoGradient() {
    Tensor leaf = leaf(1, 5, 2);
    assertThat(leaf.argmax(0).isTracked()).isFalse();
    assertThat(leaf.to(DType.I32).isTracked()).isFalse();
    assertThat(gradient(leaf, x -> x.gather(0, Tensor.of(new long[] {1, 1}))))
        .containsExactly(0, 2, 0);
  }

  @Test
  void broadcastInputsGetGradientsOfTheirOwnShape() {
    Tensor scalar = Tensor.full(2, DType.F64, Device.reference()).requireGrad();
    Tensor row = leaf(1, 2, 3);
    Tensor table = Tensor.full(1, DType.F64, Device.reference(), 4, 3).requireGrad();
    Gradients gradients = table.mul(row).mul(scalar).sum().backward();
    assertThat(gradients.get(scalar).shape()).isEqualTo(Shape.scalar());
    assertThat(gradients.get(scalar).item()).isEqualTo(24);
    assertThat(gradients.get(row).toDoubleArray()).containsExactly(8, 8, 8);
    assertThat(gradients.get(table).select(0, 3).toDoubleArray()).containsExactly(2, 4, 6);
  }

  @Test
  void viewsPassGradientsOn() {
    Tensor leaf = leaf(0, 1, 2, 3, 4, 5);
    Tensor weights = Tensor.of(new double[] {1, 10});
    assertThat(
            gradient(
                leaf, x -> x.reshape(2, 3).transpose(0, 1).flip(0).slice(0, 0, 3, 2).mul(weights)))
        .containsExactly(1, 0, 1, 10, 0, 10);
    assertThat(gradient(leaf, x -> x.slice(0, 2, 2))).containsOnly(0);
    assertThat(gradient(leaf, x -> x.select(0, 4).expand(Shape.of(7))))
        .containsExactly(0, 0, 0, 0, 7, 0);
  }

  // ---- backward ---------------------------------------------------------------------------

  @Test
  void backwardMayRunTwice() {
    Tensor leaf = leaf(3);
    Tensor result = leaf.square().mul(leaf).sum();
    try (Gradients first = result.backward()) {
      assertThat(first.get(leaf).item()).isEqualTo(27);
    }
    assertThat(result.backward().get(leaf).item()).isEqualTo(27);
  }

  @Test
  void backwardOfALeafIsOne() {
    Tensor leaf = leaf(3);
    assertThat(leaf.backward().get(leaf).item()).isEqualTo(1);
  }

  @Test
  void backwardNeedsOneElement() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> leaf(1, 2).square().backward())
        .withMessage(
            "backward: needs a tensor with one element, found shape [2]; reduce it, or give the"
                + " gradient of the result");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Tensor.ones(1).backward())
        .withMessage("backward: the result does not depend on a tensor with requireGrad()");
  }

  @Test
  void aGradientForTheResultWeighsItsElements() {
    Tensor leaf = leaf(1, 2);
    Tensor gradient = Tensor.of(new double[] {10, 100});
    assertThat(Tape.backward(leaf.square(), gradient).get(leaf).toDoubleArray())
        .containsExactly(20, 400);
    assertThat(gradient.toDoubleArray()).containsExactly(10, 100);
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Tape.backward(leaf.square(), Tensor.ones(2)))
        .withMessage("backward: the gradient must be F64[2], found F32[2]");
  }

  @Test
  void opsWithoutGradientSaySo() {
    Tensor image = Tensor.full(1, DType.F64, Device.reference(), 1, 1, 2, 2).requireGrad();
    Pool2d pool = new Pool2d(Pool2d.Fn.MAX, Window.of(2), false);
    Tensor spread =
        Tensor.apply(
            new Pool2dGrad(pool), image, Tensor.full(1, DType.F64, image.device(), 1, 1, 1, 1));
    assertThatThrownBy(() -> spread.sum().backward())
        .isInstanceOf(UnsupportedOperationException.class)
        .hasMessage("backward: pool2d_max_grad has no gradient; detach() its inputs");
  }

  // ---- closing ----------------------------------------------------------------------------

  @Test
  void aClosedValueThatARuleReadsIsNamed() {
    Tensor leaf = leaf(1, 2);
    Tensor factor = Tensor.of(new double[] {3, 4});
    Tensor loss = leaf.mul(factor).sum();
    factor.close();
    assertThatIllegalStateException()
        .isThrownBy(loss::backward)
        .withMessageStartingWith(
            "mul: tensor F64[2] was used after close() at io.quern.grad.TapeTest.aClosedValue");
  }

  @Test
  void aClosedLinkIsAnErrorAndNotAMissingGradient() {
    Tensor leaf = leaf(1, 2);
    Tensor between = leaf.add(1);
    Tensor loss = between.sum().add(leaf.sum());
    between.close();
    assertThatIllegalStateException()
        .isThrownBy(loss::backward)
        .withMessageStartingWith(
            "backward: the way to the inputs is cut at Tensor F64[2], closed by")
        .withMessageContaining("io.quern.grad.TapeTest.aClosedLink")
        .withMessageEndingWith("; close it after backward()");
  }

  @Test
  void aScopeThatEndedBeforeBackwardIsNamed() {
    Tensor leaf = leaf(1, 2);
    Tensor loss;
    try (TensorScope scope = TensorScope.open("forward")) {
      loss = scope.keep(leaf.add(1).mul(2).sum());
    }
    assertThatIllegalStateException()
        .isThrownBy(loss::backward)
        .withMessageContaining("closed by forward ended");
  }

  @Test
  void intermediatesThatTheMethodsOfTensorMakeStayForBackward() {
    Tensor leaf = leaf(1, 2, 3, 4);
    assertThat(gradient(leaf, Tensor::mean)).containsOnly(0.25);
    assertThat(gradient(leaf, x -> x.clamp(2, 3))).containsExactly(0, 1, 1, 0);
    assertThat(gradient(leaf, x -> x.reshape(2, 2).select(0, 1).mul(7)))
        .containsExactly(0, 0, 7, 7);
    assertThat(gradient(leaf, x -> x.pow(2).div(2).sub(1))).containsExactly(1, 2, 3, 4);
  }

  // ---- what is recorded -------------------------------------------------------------------

  @Test
  void withoutRecordingNothingIsTracked() {
    Tensor leaf = leaf(1);
    Tensor result = Tape.withoutRecording(() -> Tape.withoutRecording(() -> leaf.mul(2)).add(leaf));
    assertThat(result.isTracked()).isFalse();
    assertThat(Tape.isRecording()).isTrue();
    assertThatThrownBy(
            () ->
                Tape.withoutRecording(
                    () -> {
                      throw new IllegalStateException("inside");
                    }))
        .hasMessage("inside");
    assertThat(leaf.mul(2).isTracked()).isTrue();
  }

  @Test
  void gradientsAreNotTrackedThemselves() {
    Tensor leaf = leaf(1);
    assertThat(leaf.square().sum().backward().get(leaf).isTracked()).isFalse();
  }

  @Test
  void writesInPlaceAreNotRecorded() {
    Tensor parameter = leaf(1, 2);
    Tensor state = Tensor.of(new double[] {0, 0});
    Tensor rate = Tensor.full(0.5, DType.F64, state.device(), 1);
    Tensor step = Tensor.of(new double[] {2, 2});
    SgdStep sgd = new SgdStep(0, false, 0);
    Tensor.applyInto(sgd, List.of(parameter, step, state, rate), List.of(parameter, state));
    assertThat(parameter.gradNode()).isNull();
    assertThat(parameter.toDoubleArray()).containsExactly(0, 1);
  }

  // ---- particular rules -------------------------------------------------------------------

  @Test
  void groupNormIsDifferentiatedThroughItsDecomposition() {
    Tensor x = Tensor.of(new double[] {0.3, -1.2, 2, 0.7, 0.1, -0.4}, 2, 3).requireGrad();
    Tensor gamma = leaf(1.5, -0.5, 2);
    Tensor beta = leaf(0.1, 0.2, 0.3);
    Tensor weights = Tensor.of(new double[] {1, 2, -1, 0.5, 3, 1}, 2, 3);
    GroupNorm norm = new GroupNorm(1, 1e-3);
    Gradients whole = Tensor.apply(norm, x, gamma, beta).mul(weights).sum().backward();
    Gradients parts = Tensor.applyDecomposed(norm, x, gamma, beta).mul(weights).sum().backward();
    for (Tensor leaf : List.of(x, gamma, beta)) {
      assertThat(whole.get(leaf).toDoubleArray()).isEqualTo(parts.get(leaf).toDoubleArray());
    }
    double[] values = x.toDoubleArray();
    double[] found = whole.get(x).toDoubleArray();
    for (int i = 0; i < values.length; i++) {
      double h = 1e-5;
      double[] above = values.clone();
      double[] below = values.clone();
      above[i] += h;
      below[i] -= h;
      double slope =
          (weighted(norm, above, gamma, beta, weights)
                  - weighted(norm, below, gamma, beta, weights))
              / (2 * h);
      assertThat(found[i]).isCloseTo(slope, within(1e-7));
    }
    assertThat(whole.get(beta).toDoubleArray()).containsExactly(1.5, 5, 0);
    Tensor untracked = Tensor.of(values, 2, 3);
    assertThat(Tensor.apply(norm, untracked, gamma, beta).sum().backward().find(untracked))
        .isEmpty();
  }

  private static double weighted(
      GroupNorm norm, double[] x, Tensor gamma, Tensor beta, Tensor weights) {
    return Tensor.apply(norm, Tensor.of(x, 2, 3), gamma, beta).mul(weights).sum().item();
  }

  @Test
  void powersAtZeroHaveFiniteGradients() {
    Tensor base = leaf(0, 0, 0, 2);
    Tensor exponent = leaf(0, 1, 2, 0);
    Gradients gradients = base.pow(exponent).sum().backward();
    assertThat(gradients.get(base).toDoubleArray()).containsExactly(0, 1, 0, 0);
    assertThat(gradients.get(exponent).toDoubleArray()).containsExactly(0, 0, 0, Math.log(2));
  }

  @Test
  void equalExtremesShareTheGradient() {
    assertThat(gradient(leaf(3, 1, 3), x -> x.max())).containsExactly(0.5, 0, 0.5);
    assertThat(gradient(leaf(3, 1, 3), x -> x.min(0))).containsExactly(0, 1, 0);
  }
}
