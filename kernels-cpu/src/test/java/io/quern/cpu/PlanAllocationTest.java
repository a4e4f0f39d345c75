package io.quern.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.DType;
import io.quern.Device;
import io.quern.Quern;
import io.quern.Rng;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.TensorScope;
import io.quern.conformance.Allocations;
import io.quern.nn.Conv2d;
import io.quern.nn.Flatten;
import io.quern.nn.Linear;
import io.quern.nn.Losses;
import io.quern.nn.MaxPool2d;
import io.quern.nn.Mode;
import io.quern.nn.Module;
import io.quern.nn.Relu;
import io.quern.nn.Sequential;
import io.quern.op.BlockMatMul;
import io.quern.op.Window;
import io.quern.optim.Adam;
import io.quern.optim.Optimizer;
import io.quern.plan.Compiled;
import io.quern.runtime.Workers;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A warm plan runs without allocating a single byte, and without a reference kernel. */
class PlanAllocationTest {
  private static final int RUNS = 20;

  private static int threads;

  private TensorScope scope;

  @BeforeAll
  static void computeOnThisThread() {
    threads = Workers.shared().threads();
    Workers.setThreads(1);
  }

  @AfterAll
  static void computeOnAll() {
    Workers.setThreads(threads);
  }

  @BeforeEach
  void openScope() {
    scope = TensorScope.open();
  }

  @AfterEach
  void closeScope() {
    scope.close();
  }

  @Test
  void inferenceOfAPerceptron() {
    Rng rng = Rng.of(1);
    Module model = Sequential.of(Linear.of(32, 64, rng), new Relu(), Linear.of(64, 10, rng));
    Tensor input = rng.normal(4, 32);
    Compiled compiled = Quern.compile(x -> model.forward(x).softmax(1), input.spec());
    requireNoAllocation(compiled, new Tensor[] {input}, new Tensor[] {Tensor.zeros(4, 10)});
  }

  @Test
  void productsOfNarrowFloats() {
    Tensor weight = Rng.of(1).normal(32, 64).to(DType.BF16);
    Tensor input = Rng.of(2).normal(4, 32).to(DType.BF16);
    Compiled compiled = Quern.compile(x -> x.matmul(weight), input.spec());
    Tensor result = Tensor.zeros(4, 64).to(DType.BF16);
    requireNoAllocation(compiled, new Tensor[] {input}, new Tensor[] {result});
  }

  @Test
  void productsWithPackedWeights() {
    Rng rng = Rng.of(1);
    Tensor weights = rng.uniform(Shape.of(40, 2, 16), 0, 256).to(DType.U8);
    Tensor scales = rng.uniform(Shape.of(40, 2), 0, 1);
    Tensor zeros = rng.uniform(Shape.of(40, 1), 0, 256).to(DType.U8);
    BlockMatMul op = new BlockMatMul(4, 32);
    Tensor input = rng.normal(11, 50);
    Compiled compiled =
        Quern.compile(x -> Tensor.apply(op, x, weights, scales, zeros), input.spec());
    assertThat(compiled.plan().kernels()).hasSize(1);
    requireNoAllocation(compiled, new Tensor[] {input}, new Tensor[] {Tensor.zeros(11, 40)});
  }

  @Test
  void lossOverLargeTensors() {
    Tensor x = Rng.of(1).normal(50, 1000);
    Tensor y = Rng.of(2).normal(50, 1000);
    Compiled compiled =
        Quern.compile(
            Device.cpu(),
            in -> List.of(Losses.mse(in.get(0), in.get(1)), in.get(0).mul(in.get(1)).sum(0)),
            List.of(x.spec(), y.spec()));
    assertThat(compiled.plan().describe())
        .contains("fused_reduce_f32_runs")
        .contains("fused_reduce_f32_rows");
    Tensor[] results = {Tensor.scalar(0), Tensor.zeros(1000)};
    requireNoAllocation(compiled, new Tensor[] {x, y}, results);
  }

  @Test
  void trainingOfAConvolutionalNetwork() {
    Rng rng = Rng.of(1);
    Window window = Window.of(3).padding(1);
    Module model =
        Sequential.of(
            Conv2d.of(1, 16, window, rng),
            new Relu(),
            MaxPool2d.of(2),
            Conv2d.of(16, 16, window, rng),
            new Relu(),
            Flatten.of(),
            Linear.of(16 * 16, 4, rng));
    Optimizer optimizer = Adam.of(model.parameters(), 1e-3);
    Tensor images = rng.normal(4, 1, 8, 8);
    Tensor labels = Tensor.of(new long[] {0, 1, 2, 3});
    Compiled compiled =
        Quern.compile(
            Device.cpu(),
            in -> {
              Tensor prediction = model.forward(in.get(0), Mode.training(rng));
              Tensor loss = Losses.crossEntropy(prediction, in.get(1));
              optimizer.step(loss.backward());
              return List.of(loss);
            },
            List.of(images.spec(), labels.spec()));
    requireNoAllocation(compiled, new Tensor[] {images, labels}, new Tensor[] {Tensor.scalar(0)});
  }

  private static void requireNoAllocation(Compiled compiled, Tensor[] arguments, Tensor[] results) {
    assertThat(compiled.plan().fallbacks()).isEmpty();
    Allocations.requireAtMost(
        0,
        () -> {
          for (int i = 0; i < RUNS; i++) {
            compiled.runInto(arguments, results);
          }
        });
  }
}
