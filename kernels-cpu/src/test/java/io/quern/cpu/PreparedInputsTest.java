package io.quern.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.CountedBackend;
import io.quern.DType;
import io.quern.Device;
import io.quern.Quern;
import io.quern.Rng;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.TensorScope;
import io.quern.op.Conv2d;
import io.quern.op.TensorSpec;
import io.quern.op.Window;
import io.quern.plan.Compiled;
import io.quern.plan.Plan;
import io.quern.runtime.HostMemory;
import java.util.List;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Weights that a plan keeps in a kernel's own form give the bits of the eager op. */
@Tag("conformance")
class PreparedInputsTest {
  private final Rng rng = Rng.of(7);
  private TensorScope scope;

  @BeforeEach
  void openScope() {
    scope = TensorScope.open();
  }

  @AfterEach
  void closeScope() {
    scope.close();
  }

  private static void assertSameBits(Compiled compiled, UnaryOperator<Tensor> function, Tensor x) {
    assertThat(compiled.run(x).toFloatArray()).isEqualTo(function.apply(x).toFloatArray());
  }

  @ParameterizedTest
  @CsvSource({
    "1, 3, 20, 20, 9, 7, 2, 3, 1", // few channels: patches
    "2, 16, 20, 20, 32, 3, 1, 1, 1", // Winograd
    "1, 40, 7, 7, 70, 3, 1, 1, 1", // pixels, padded
    "2, 300, 7, 7, 64, 1, 1, 0, 1", // pixels, in place, two blocks of k
    "1, 64, 15, 15, 48, 3, 2, 1, 1", // pixels, strided
    "2, 48, 9, 9, 64, 3, 1, 1, 2", // groups
    "1, 70, 16, 16, 24, 1, 1, 0, 1" // patches, gathered rows of pixels
  })
  void convolutions(
      int n, int c, int h, int w, int oc, int kernel, int stride, int padding, int groups) {
    Window window = Window.of(kernel).stride(stride).padding(padding);
    Tensor weight = rng.normal(oc, c / groups, kernel, kernel);
    Tensor bias = rng.normal(oc);
    Conv2d conv = new Conv2d(window, groups);
    UnaryOperator<Tensor> plain = x -> Tensor.apply(conv, x, weight, bias);
    Tensor x = rng.normal(n, c, h, w);
    Tensor residual = rng.normal(plain.apply(x).shape(), 0, 1);
    UnaryOperator<Tensor> chained = y -> plain.apply(y).relu().add(residual).mul(0.5);
    for (UnaryOperator<Tensor> function : List.of(plain, chained)) {
      Compiled compiled = Quern.compile(function, x.spec());
      assertThat(compiled.plan().steps()).isEqualTo(1);
      assertThat(compiled.plan().preparedBytes()).isGreaterThanOrEqualTo(4 * weight.shape().size());
      assertSameBits(compiled, function, x);
    }
  }

  @Test
  void closedFunctionGivesThemBack() {
    Device device = Device.of("counted");
    Tensor weight = rng.normal(512, 1024).to(device);
    Tensor x = rng.normal(8, 512).to(device);
    Tensor longer = rng.normal(40, 512).to(device);
    long before = CountedBackend.liveBytes(device);
    Compiled compiled =
        Quern.compile(
            device, in -> List.of(in.getFirst().matmul(weight).relu()), List.of(x.spec()));
    compiled.run(x).close();
    compiled.run(longer).close();
    assertThat(compiled.plan().preparedBytes()).isGreaterThanOrEqualTo(4 * 512 * 1024);
    assertThat(CountedBackend.liveBytes(device)).isGreaterThan(before + 4 * 512 * 1024);
    compiled.close();
    assertThat(CountedBackend.liveBytes(device)).isEqualTo(before);
  }

  @Test
  void functionOfFixedShapesSharesThem() {
    Device device = Device.of("counted:1");
    Tensor weight = rng.normal(512, 1024).to(device);
    Tensor shift = rng.normal(1024).to(device);
    Tensor x = rng.normal(8, 512).to(device);
    Compiled compiled =
        Quern.compile(
            device,
            in -> List.of(in.getFirst().matmul(weight).add(shift.exp())),
            List.of(x.spec()));
    Plan plan = compiled.plan();
    long before = CountedBackend.liveBytes(device);
    shift.copyFrom(rng.normal(1024).to(device)); // its exponential is folded: a new plan
    assertThat(compiled.fixed().plan()).isNotSameAs(plan);
    assertThat(CountedBackend.liveBytes(device)).isLessThan(before + 4 * 512 * 1024);
  }

  @ParameterizedTest
  @CsvSource({"2, 5, 3", "7, 64, 40", "33, 300, 70", "130, 520, 100"})
  void products(int m, int k, int n) {
    Tensor weight = rng.normal(k, n);
    Tensor turned = rng.normal(n, k);
    Tensor x = rng.normal(m, k);
    for (UnaryOperator<Tensor> function :
        List.<UnaryOperator<Tensor>>of(
            y -> y.matmul(weight),
            y -> y.matmul(turned.transpose(0, 1)),
            y -> y.matmul(weight).add(1).relu())) {
      Compiled compiled = Quern.compile(function, x.spec());
      assertThat(compiled.plan().preparedBytes()).isGreaterThanOrEqualTo(4L * k * n);
      assertSameBits(compiled, function, x);
    }
  }

  @Test
  void changedWeightsTakeEffect() {
    Tensor weight = rng.normal(64, 40);
    UnaryOperator<Tensor> function = y -> y.matmul(weight);
    Tensor x = rng.normal(9, 64);
    Compiled compiled = Quern.compile(function, x.spec());
    float[] before = compiled.run(x).toFloatArray();
    weight.copyFrom(rng.normal(64, 40));
    assertThat(compiled.run(x).toFloatArray()).isNotEqualTo(before);
    assertSameBits(compiled, function, x);
  }

  @Test
  void shapesShareOneForm() {
    Tensor weight = rng.normal(64, 40);
    Compiled compiled =
        Quern.compile(y -> y.matmul(weight), new TensorSpec(DType.F32, Shape.of(9, 64)));
    long before = HostMemory.shared().usage().live();
    for (int rows = 10; rows < 20; rows++) {
      compiled.run(rng.normal(rows, 64)).close();
    }
    assertThat(HostMemory.shared().usage().live() - before).isLessThan(10L * 4 * 64 * 40);
  }
}
