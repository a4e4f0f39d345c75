package io.quern.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import org.junit.jupiter.api.Test;

class FashionMnistTest {
  private final FashionMnist.Split test = FashionMnist.bundled().test();

  @Test
  void imagesHaveAChannelAndLabelsAreIndices() {
    assertThat(test.images().shape()).isEqualTo(Shape.of(2000, 1, 28, 28));
    assertThat(test.labels().dtype()).isEqualTo(DType.I64);
    assertThat(test.dataset().size()).isEqualTo(2000);
  }

  @Test
  void inputsHaveAboutMeanZeroAndVarianceOne() {
    Tensor input = FashionMnist.toInput(test.images().slice(0, 0, 500));
    assertThat(input.mean().item()).isBetween(-0.1, 0.1);
    assertThat(input.square().mean().item()).isBetween(0.9, 1.1);
  }

  @Test
  void aSinglePixelsInputFollowsFromItsGreyAlone() {
    Tensor image = Tensor.ofBytes(new byte[] {0, (byte) 255}, 2);
    assertThat(FashionMnist.toInput(image).toFloatArray())
        .containsExactly(new float[] {-0.8102f, 2.0227f}, within(1e-3f));
  }
}
