package io.quern.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.ChildJvm;
import io.quern.Device;
import io.quern.Quern;
import io.quern.Rng;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.TensorScope;
import io.quern.nn.Conv2d;
import io.quern.nn.Flatten;
import io.quern.nn.Gelu;
import io.quern.nn.LayerNorm;
import io.quern.nn.Linear;
import io.quern.nn.Losses;
import io.quern.nn.MaxPool2d;
import io.quern.nn.Mode;
import io.quern.nn.Module;
import io.quern.nn.MultiHeadAttention;
import io.quern.nn.Relu;
import io.quern.nn.Residual;
import io.quern.nn.Sequential;
import io.quern.op.Window;
import io.quern.optim.Adam;
import io.quern.optim.Optimizer;
import io.quern.plan.Compiled;
import io.quern.runtime.Workers;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * Results do not depend on how they are computed: outputs, gradients and updated weights of whole
 * models have the same bits at every vector width and without vectors, with generated code and
 * without, before and after kernels are swapped, on any number of threads, op by op and compiled,
 * and an example has the same output alone and in a batch. What holds for a whole process is varied
 * by child processes.
 */
class SameBitsTest {
  private static final List<List<String>> PROCESSES =
      List.of(
          List.of("-Dquern.vector=off"),
          List.of("-Dquern.vectorBits=128", "-Dquern.warmup=off"),
          List.of("-Dquern.vectorBits=256"),
          List.of("-Dquern.vectorBits=512", "-Dquern.warmup=off"),
          List.of("-Dquern.asm=off"),
          List.of("-Dquern.vectorBits=512", "-Dquern.codegen=off"));

  @Test
  void modelsHaveTheSameBitsHoweverTheyAreComputed() {
    List<String> lines = PROCESSES.parallelStream().flatMap(SameBitsTest::run).toList();
    assertThat(lines).hasSize(PROCESSES.size() * Child.MODELS.size() * Child.WAYS);
    for (String model : Child.MODELS.keySet()) {
      Map<String, List<String>> byHash =
          lines.stream()
              .filter(line -> line.startsWith(model))
              .collect(Collectors.groupingBy(line -> line.split(" ", -1)[1]));
      assertThat(byHash).as(model).hasSize(1);
    }
  }

  /** Lines of model, hash and how it was computed. */
  private static Stream<String> run(List<String> options) {
    List<String> all = new ArrayList<>(List.of("-XX:+UseSerialGC", "-Xmx512m"));
    all.addAll(List.of("--add-modules", "jdk.incubator.vector"));
    all.add("--enable-native-access=ALL-UNNAMED");
    all.addAll(options);
    return ChildJvm.run(all, Child.class)
        .lines()
        .filter(line -> Child.MODELS.containsKey(line.split(" ", -1)[0]))
        .map(line -> line + ", " + options);
  }

  /** Child process: prints each model's hash after each way of computing it. */
  static final class Child {
    static final Map<String, Model> MODELS =
        Map.of(
            "perceptron", new Model(Shape.of(40), Child::perceptron),
            "convolution", new Model(Shape.of(1, 28, 28), Child::convolution),
            "transformer", new Model(Shape.of(12, 32), Child::transformer));

    /** Lines that are printed for each model. */
    static final int WAYS = 4;

    private static final int BATCH = 4;

    private Child() {}

    record Model(Shape example, Function<Rng, Module> maker) {
      Tensor examples() {
        return Rng.of(2).normal(Shape.of(BATCH).concat(example), 0, 1);
      }
    }

    public static void main(String[] args) {
      for (Map.Entry<String, Model> each : new TreeMap<>(MODELS).entrySet()) {
        print(each, 1, false);
        print(each, 2, true);
        step(each.getValue()).compiled().warmUp();
        print(each, 3, false);
        print(each, 4, true);
      }
    }

    private static void print(Map.Entry<String, Model> model, int threads, boolean compiles) {
      Workers.setThreads(threads);
      String how = threads + " threads, " + (compiles ? "compiled" : "op by op");
      try (var _ = TensorScope.open()) {
        System.out.println(model.getKey() + " " + hash(model.getValue(), compiles) + " " + how);
      }
    }

    private static Module perceptron(Rng rng) {
      return Sequential.of(
          Linear.of(40, 96, rng), new Relu(), Linear.of(96, 70, rng), new Gelu(), head(70, rng));
    }

    private static Module convolution(Rng rng) {
      Window window = Window.of(3).padding(1);
      return Sequential.of(
          Conv2d.of(1, 16, window, rng),
          new Relu(),
          MaxPool2d.of(2),
          Conv2d.of(16, 16, window, 16, true, rng),
          Conv2d.of(16, 32, window, rng),
          new Relu(),
          MaxPool2d.of(2),
          Flatten.of(),
          Linear.of(32 * 7 * 7, 64, rng),
          new Relu(),
          head(64, rng));
    }

    private static Module transformer(Rng rng) {
      return Sequential.of(
          Residual.of(Sequential.of(LayerNorm.of(32), MultiHeadAttention.of(32, 4, rng))),
          Residual.of(
              Sequential.of(
                  LayerNorm.of(32), Linear.of(32, 128, rng), new Gelu(), Linear.of(128, 32, rng))),
          LayerNorm.of(32),
          Flatten.of(),
          head(12 * 32, rng));
    }

    private static Module head(long features, Rng rng) {
      return Linear.of(features, 10, rng);
    }

    /**
     * A model with its training step, which gives loss, prediction, gradients and their squares.
     */
    private record Step(Module module, Function<List<Tensor>, List<Tensor>> function, Tensor x) {
      Tensor labels() {
        return Tensor.of(new long[] {3, 1, 4, 1});
      }

      Compiled compiled() {
        return Quern.compile(Device.cpu(), function, List.of(x.spec(), labels().spec()));
      }
    }

    private static Step step(Model model) {
      Rng rng = Rng.of(1);
      Module module = model.maker.apply(rng);
      Optimizer optimizer = Adam.of(module.parameters(), 1e-3);
      Function<List<Tensor>, List<Tensor>> function =
          in -> {
            Tensor prediction = module.forward(in.get(0), Mode.training(rng));
            Tensor loss = Losses.crossEntropy(prediction, in.get(1));
            var gradients = loss.backward();
            List<Tensor> results = new ArrayList<>(List.of(loss, prediction));
            for (Tensor parameter : module.parameters().values()) {
              Tensor gradient = gradients.get(parameter);
              results.addAll(List.of(gradient, gradient.square().sum()));
            }
            optimizer.step(gradients);
            return results;
          };
      return new Step(module, function, model.examples());
    }

    private static String hash(Model model, boolean compiles) {
      Step step = step(model);
      MessageDigest digest = sha256();
      Compiled compiled = compiles ? step.compiled() : null;
      for (int i = 0; i < 2; i++) {
        List<Tensor> results =
            compiled == null
                ? step.function.apply(List.of(step.x, step.labels()))
                : List.of(compiled.runAll(step.x, step.labels()));
        results.forEach(each -> digest.update(each.toByteArray()));
      }
      step.module.parameters().values().forEach(each -> digest.update(each.toByteArray()));
      Tensor together = infer(step.module, step.x, compiles);
      digest.update(together.toByteArray());
      for (int i = 0; i < BATCH; i += 3) {
        Tensor alone = infer(step.module, step.x.slice(0, i, i + 1), compiles);
        if (!Arrays.equals(alone.toByteArray(), together.slice(0, i, i + 1).toByteArray())) {
          throw new IllegalStateException("example " + i + " differs alone and in a batch");
        }
      }
      return HexFormat.of().formatHex(digest.digest());
    }

    private static Tensor infer(Module module, Tensor x, boolean compiles) {
      return compiles
          ? Quern.compile(module::forward, x.spec()).run(x)
          : module.forward(x, Mode.INFERENCE);
    }

    private static MessageDigest sha256() {
      try {
        return MessageDigest.getInstance("SHA-256");
      } catch (NoSuchAlgorithmException e) {
        throw new IllegalStateException(e);
      }
    }
  }
}
