package io.quern.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.TensorScope;
import io.quern.backend.KernelKey;
import io.quern.op.Conv2d;
import io.quern.op.Conv2dInputGrad;
import io.quern.op.Conv2dWeightGrad;
import io.quern.op.Layout;
import io.quern.op.Op;
import io.quern.op.Pool2d;
import io.quern.op.Window;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Sizes that the arithmetic of fast kernels is not made for. */
class SizesTest {
  private static boolean hasKernel(Op op, Shape output, Shape... inputs) {
    DType[] dtypes = new DType[inputs.length + 1];
    Layout[] layouts = new Layout[inputs.length + 1];
    java.util.Arrays.fill(dtypes, DType.F32);
    for (int i = 0; i < inputs.length; i++) {
      layouts[i] = Layout.contiguous(inputs[i]);
    }
    layouts[inputs.length] = Layout.contiguous(output);
    return CpuKernels.table().find(new KernelKey(op, dtypes, layouts, inputs.length)).isPresent();
  }

  @Test
  void convolutionsBeyondIntOffsetsAreLeftToOthers() {
    Window window = Window.of(3).padding(1);
    for (long side : new long[] {64, 40_000}) {
      Shape image = Shape.of(1, 8, side, side);
      Shape weight = Shape.of(8, 8, 3, 3);
      boolean fast = side == 64;
      assertThat(hasKernel(new Conv2d(window, 1), image, image, weight)).isEqualTo(fast);
      assertThat(hasKernel(new Conv2dInputGrad(window, 1, image), image, weight, image))
          .isEqualTo(fast);
      assertThat(hasKernel(new Conv2dWeightGrad(window, 1), weight, image, image)).isEqualTo(fast);
      Pool2d pool = new Pool2d(Pool2d.Fn.MAX, Window.of(3).padding(1), false);
      assertThat(hasKernel(pool, image, image)).isEqualTo(fast);
    }
  }

  @Test
  void hugeDilationAndPaddingAreComputedRight() {
    // Only the middle of the window ever meets the image.
    try (var _ = TensorScope.open()) {
      Window window = Window.of(3).dilation(1 << 30).padding(1 << 30);
      Tensor image = Tensor.arange(16, DType.F32).reshape(1, 1, 4, 4);
      Tensor weight = Tensor.arange(9, DType.F32).reshape(1, 1, 3, 3);
      Tensor result = Tensor.apply(new Conv2d(window, 1), image, weight);
      assertThat(result.toFloatArray()).isEqualTo(image.mul(4).toFloatArray());
      Tensor gradient = Tensor.apply(new Conv2dInputGrad(window, 1, image.shape()), weight, image);
      assertThat(gradient.toFloatArray()).isEqualTo(image.mul(4).toFloatArray());
      Tensor weightGradient = Tensor.apply(new Conv2dWeightGrad(window, 1), image, image);
      assertThat(weightGradient.flatten(0).toFloatArray())
          .containsExactly(0, 0, 0, 0, image.square().sum().toFloatArray()[0], 0, 0, 0, 0);
    }
  }

  /** Sizes of which threads get unequal shares, of pixels or of channels; all sums are exact. */
  @ParameterizedTest
  @CsvSource({
    "512, 2700, 32", "96, 400, 64", "256, 729, 32", "32, 729, 128",
    "384, 169, 64", "512, 169, 1000", "64, 31, 160", "576, 196, 90"
  })
  void everyPixelOfEveryChannelIsComputed(int channels, int pixels, int outputs) {
    float[] image = small(channels * pixels, 7);
    float[] weight = small(outputs * channels, 5);
    float[] expected = product(weight, image, outputs, channels, pixels);
    try (var _ = TensorScope.open()) {
      Tensor result =
          Tensor.apply(
              new Conv2d(Window.of(1), 1),
              Tensor.of(image, 1, channels, 1, pixels),
              Tensor.of(weight, outputs, channels, 1, 1));
      assertThat(result.toFloatArray()).isEqualTo(expected);
    }
  }

  /** Sizes of which B is packed before, late or on the way, in one and in several blocks of k. */
  @ParameterizedTest
  @CsvSource({
    "300, 600, 331, false", "40, 600, 331, false", "300, 600, 331, true", "40, 600, 331, true",
    "150, 80, 1024, false", "129, 1100, 100, false", "7, 700, 333, false", "1, 700, 333, true"
  })
  void everyElementOfAProductIsComputed(int m, int k, int n, boolean transposed) {
    float[] left = small(m * k, 7);
    float[] right = small(k * n, 5);
    try (var _ = TensorScope.open()) {
      Tensor b = Tensor.of(right, k, n);
      Tensor operand = transposed ? b.transpose(0, 1).contiguous().transpose(0, 1) : b;
      assertThat(Tensor.of(left, m, k).matmul(operand).flatten(0).toFloatArray())
          .isEqualTo(product(left, right, m, k, n));
    }
  }

  /** Whole numbers around 0, whose sums of products are exact. */
  private static float[] small(int count, int different) {
    float[] numbers = new float[count];
    for (int i = 0; i < count; i++) {
      numbers[i] = i % different - different / 2;
    }
    return numbers;
  }

  private static float[] product(float[] left, float[] right, int m, int k, int n) {
    float[] sums = new float[m * n];
    for (int i = 0; i < m; i++) {
      for (int t = 0; t < k; t++) {
        for (int j = 0; j < n; j++) {
          sums[i * n + j] += left[i * k + t] * right[t * n + j];
        }
      }
    }
    return sums;
  }

  @Test
  void manySmallProductsAreAllComputed() {
    int batches = 150_001;
    try (var _ = TensorScope.open()) {
      Tensor left = Tensor.arange(batches, DType.F32).reshape(batches, 1, 1);
      Tensor right = Tensor.of(new float[] {2, 3}, 1, 2);
      float[] products = left.matmul(right).toFloatArray();
      for (int i = 0; i < batches; i++) {
        assertThat(products[2 * i] == 2f * i && products[2 * i + 1] == 3f * i).isTrue();
      }
      Tensor square = Tensor.arange(6, DType.F32).reshape(1, 3, 1, 2);
      Tensor other = Tensor.arange(8, DType.F32).reshape(2, 2, 1, 2).slice(1, 0, 1);
      assertThat(square.matmul(other.transpose(-1, -2)).toFloatArray())
          .containsExactly(1, 3, 5, 5, 23, 41);
    }
  }
}
