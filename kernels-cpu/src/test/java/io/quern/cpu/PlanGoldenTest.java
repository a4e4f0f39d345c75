package io.quern.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.DType;
import io.quern.Device;
import io.quern.Quern;
import io.quern.Rng;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.TensorScope;
import io.quern.nn.Conv2d;
import io.quern.nn.Flatten;
import io.quern.nn.LayerNorm;
import io.quern.nn.Linear;
import io.quern.nn.Losses;
import io.quern.nn.MaxPool2d;
import io.quern.nn.Mode;
import io.quern.nn.Module;
import io.quern.nn.Relu;
import io.quern.nn.Sequential;
import io.quern.op.TensorSpec;
import io.quern.op.Window;
import io.quern.optim.Adam;
import io.quern.optim.Optimizer;
import io.quern.plan.Compiled;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * Steps, kernels, arena and fallbacks of plans are as they were written down. When a change makes a
 * plan better, {@code -Dtest.jvmArgs=-Dquern.golden=write} writes the files anew.
 */
class PlanGoldenTest {
  private static final Path FILES =
      Path.of("src/test/resources/io/quern/cpu/plans").toAbsolutePath();

  private TensorScope scope;

  @BeforeEach
  void openScope() {
    scope = TensorScope.open();
  }

  @AfterEach
  void closeScope() {
    scope.close();
  }

  /** Tile sizes follow from the vector width. */
  private static String text(Compiled compiled) {
    return compiled.plan().describe().replaceAll("[68]x\\d+", "MxN").replaceAll(" +", " ");
  }

  private static void requireSame(String name, Compiled compiled) {
    Path file = FILES.resolve(name + ".txt");
    try {
      if (System.getProperty("quern.golden", "").equals("write")) {
        Files.writeString(file, text(compiled), StandardCharsets.UTF_8);
      }
      assertThat(text(compiled)).isEqualTo(Files.readString(file, StandardCharsets.UTF_8));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static Compiled training(Module model, TensorSpec input) {
    Optimizer optimizer = Adam.of(model.parameters(), 1e-3);
    return Quern.compile(
        Device.cpu(),
        in -> {
          Tensor prediction = model.forward(in.get(0), Mode.training(Rng.of(1)));
          Tensor loss = Losses.crossEntropy(prediction, in.get(1));
          optimizer.step(loss.backward());
          return List.of(loss);
        },
        List.of(input, new TensorSpec(DType.I64, Shape.of(input.shape().dim(0)))));
  }

  @Test
  void trainingOfAPerceptron() {
    Rng rng = Rng.of(1);
    Module model =
        Sequential.of(
            Linear.of(784, 512, rng),
            new Relu(),
            Linear.of(512, 512, rng),
            new Relu(),
            Linear.of(512, 10, rng));
    requireSame(
        "perceptron-training", training(model, new TensorSpec(DType.F32, Shape.of(128, 784))));
  }

  @Test
  void trainingOfAConvolutionalNetwork() {
    Rng rng = Rng.of(1);
    Window window = Window.of(3).padding(1);
    Module model =
        Sequential.of(
            Conv2d.of(1, 32, window, rng),
            new Relu(),
            MaxPool2d.of(2),
            Conv2d.of(32, 64, window, rng),
            new Relu(),
            MaxPool2d.of(2),
            Flatten.of(),
            Linear.of(64 * 7 * 7, 128, rng),
            new Relu(),
            Linear.of(128, 10, rng));
    requireSame(
        "convolution-training",
        training(model, new TensorSpec(DType.F32, Shape.of(128, 1, 28, 28))));
  }

  @Test
  void inferenceWithNormalisation() {
    Rng rng = Rng.of(1);
    Module model =
        Sequential.of(
            LayerNorm.of(64), Linear.of(64, 256, rng), new Relu(), Linear.of(256, 64, rng));
    requireSame(
        "norm-inference",
        Quern.compile(
            x -> model.forward(x).add(x).mul(0.5).softmax(1),
            new TensorSpec(DType.F32, Shape.of(8, 64))));
  }
}
