package io.quern.optim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.quern.Shape;
import io.quern.Tensor;
import io.quern.grad.Gradients;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class ClipTest {
  private final Map<String, Tensor> parameters = new LinkedHashMap<>();
  private final Tensor a = Tensor.zeros(2, 2);
  private final Tensor b = Tensor.zeros(1);
  private final Tensor unused = Tensor.zeros(3);

  ClipTest() {
    parameters.put("a", a);
    parameters.put("unused", unused);
    parameters.put("b", b);
  }

  private Gradients gradients(float last) {
    Tensor expanded = Tensor.of(new float[] {2}).expand(Shape.of(2, 2));
    return Gradients.of(List.of(a, b), List.of(expanded, Tensor.of(new float[] {last})));
  }

  @Test
  void theNormIsThatOfAllGradientsTogether() {
    assertThat(Clip.norm(gradients(3), parameters)).isCloseTo(5, within(1e-12));
    assertThat(Clip.norm(gradients(3), Map.of("b", b))).isCloseTo(3, within(1e-12));
  }

  @Test
  void aLargerNormIsScaledDownToTheLimit() {
    Gradients clipped = Clip.byNorm(gradients(3), parameters, 2.5);
    assertThat(clipped.get(a).toFloatArray()).containsExactly(1, 1, 1, 1);
    assertThat(clipped.get(b).toFloatArray()).containsExactly(1.5f);
    assertThat(clipped.find(unused)).isEmpty();
    assertThat(Clip.norm(clipped, parameters)).isCloseTo(2.5, within(1e-6));
  }

  @Test
  void aSmallerNormPassesUnchanged() {
    Gradients gradients = gradients(3);
    assertThat(Clip.byNorm(gradients, parameters, 5)).isSameAs(gradients);
    assertThat(Clip.byNorm(gradients, parameters, Double.POSITIVE_INFINITY)).isSameAs(gradients);
  }

  @Test
  void valuesAreLimitedElementByElement() {
    Gradients clipped = Clip.byValue(gradients(-3), parameters, 2.5);
    assertThat(clipped.get(a).toFloatArray()).containsExactly(2, 2, 2, 2);
    assertThat(clipped.get(b).toFloatArray()).containsExactly(-2.5f);
    assertThat(Clip.byValue(gradients(Float.NaN), parameters, 1).get(b).item()).isNaN();
  }

  @Test
  void gradientsThatAreNotFiniteAreNamed() {
    assertThatThrownBy(() -> Clip.byNorm(gradients(Float.NaN), parameters, 1))
        .isInstanceOf(ArithmeticException.class)
        .hasMessageStartingWith("gradients: that of b F32[1] is NaN at element 0; lower the");
    assertThatThrownBy(() -> Clip.byNorm(gradients(Float.NEGATIVE_INFINITY), parameters, 1))
        .hasMessageContaining("is -Infinity at element 0");
  }

  @Test
  void squaresThatOverflowTheDtypeAreClippedAllTheSame() {
    Gradients clipped = Clip.byNorm(gradients(1e30f), parameters, 2);
    assertThat(clipped.get(b).item()).isCloseTo(2, within(1e-6));
    assertThat(clipped.get(a).get(0, 0)).isCloseTo(4e-30, within(1e-35));
  }

  @Test
  void limitsArePositive() {
    assertThatThrownBy(() -> Clip.byNorm(gradients(1), parameters, 0))
        .hasMessage("clip: the largest norm must be more than 0, found 0.0");
    assertThatThrownBy(() -> Clip.byValue(gradients(1), parameters, Double.NaN))
        .hasMessage("clip: the largest value must be more than 0, found NaN");
  }
}
