package io.quern.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.quern.CountedBackend;
import io.quern.DType;
import io.quern.Device;
import io.quern.Quern;
import io.quern.Rng;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.TensorScope;
import io.quern.graph.Pass;
import io.quern.nn.BatchNorm1d;
import io.quern.nn.Dropout;
import io.quern.nn.Linear;
import io.quern.nn.Losses;
import io.quern.nn.Mode;
import io.quern.nn.Module;
import io.quern.nn.Relu;
import io.quern.nn.Sequential;
import io.quern.op.Gather;
import io.quern.op.TensorSpec;
import io.quern.optim.Adam;
import io.quern.optim.Optimizer;
import io.quern.optim.Sgd;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Compiled functions do what the function does when it runs op by op. */
class CompiledTest {
  private static final TensorSpec ROW = new TensorSpec(DType.F32, Shape.of(4));

  private TensorScope scope;

  @BeforeEach
  void openScope() {
    scope = TensorScope.open();
  }

  @AfterEach
  void closeScope() {
    scope.close();
  }

  private static Tensor row(float... values) {
    return Tensor.of(values);
  }

  @Test
  void functionIsCalledOncePerShape() {
    AtomicInteger calls = new AtomicInteger();
    Compiled twice =
        Quern.compile(
            x -> {
              calls.incrementAndGet();
              return x.mul(2);
            },
            ROW);
    assertThat(twice.run(row(1, 2, 3, 4)).toFloatArray()).containsExactly(2, 4, 6, 8);
    assertThat(twice.run(row(5, 6, 7, 8)).toFloatArray()).containsExactly(10, 12, 14, 16);
    assertThat(calls).hasValue(1);
    assertThat(twice.run(row(1, 2)).toFloatArray()).containsExactly(2, 4);
    assertThat(twice.run(row(3, 4)).toFloatArray()).containsExactly(6, 8);
    assertThat(calls).hasValue(2);
  }

  @Test
  void fixedFunctionRefusesOtherShapes() {
    Compiled twice = Quern.compile(x -> x.mul(2), ROW).fixed();
    assertThatIllegalArgumentException()
        .isThrownBy(() -> twice.run(row(1, 2)))
        .withMessage("compiled: expected arguments [F32[4]], found [F32[2]]");
  }

  @Test
  void closedFunctionGivesItsMemoryBack() {
    Device device = Device.of("counted");
    Tensor x = Tensor.full(1, DType.F32, device, 1 << 20);
    Tensor few = Tensor.full(1, DType.F32, device, 2);
    long before = CountedBackend.liveBytes(device);
    Compiled compiled =
        Quern.compile(
            device,
            in -> List.of(in.getFirst().add(in.getFirst().sum()).cumSum(0)),
            List.of(x.spec()));
    Compiled fixed = compiled.fixed();
    compiled.run(x).close();
    assertThat(CountedBackend.liveBytes(device)).isGreaterThanOrEqualTo(before + (4 << 20));
    compiled.close();
    compiled.close();
    assertThat(CountedBackend.liveBytes(device)).isEqualTo(before);
    for (Compiled closed : List.of(compiled, fixed)) {
      assertThatIllegalStateException()
          .isThrownBy(() -> closed.run(x))
          .withMessage("plan: it was closed; compile the function anew");
    }
    assertThatIllegalStateException().isThrownBy(() -> compiled.run(few));
    assertThat(CountedBackend.liveBytes(device)).isEqualTo(before);
  }

  @Test
  void closedFunctionGivesBackWhatWasComputedFromItsWeights() {
    Device device = Device.of("counted");
    Tensor x = Tensor.full(1, DType.F32, device, 4);
    Tensor weight = Tensor.full(3, DType.F32, device, 1 << 18, 4);
    long before = CountedBackend.liveBytes(device);
    Compiled compiled =
        Quern.compile(
            device, in -> List.of(in.getFirst().mul(weight.mul(weight)).sum()), List.of(x.spec()));
    assertThat(compiled.run(x).toFloatArray()).containsExactly(9 << 20);
    assertThat(CountedBackend.liveBytes(device)).isGreaterThanOrEqualTo(before + (4 << 20));
    compiled.close();
    assertThat(CountedBackend.liveBytes(device)).isLessThan(before + (1 << 10));
    assertThat(weight.toFloatArray()).contains(3);
  }

  @Test
  void runsThatTakePlaceEndBeforeTheMemoryGoes() throws Exception {
    UnaryOperator<Tensor> twoSteps = y -> y.add(y.sum()).cumSum(0);
    Tensor x = Tensor.full(1, DType.F32, Device.cpu(), 1000);
    float[] expected = twoSteps.apply(x).toFloatArray();
    try (ExecutorService threads = Executors.newFixedThreadPool(2)) {
      for (int round = 0; round < 50; round++) {
        Compiled compiled = Quern.compile(twoSteps, x.spec());
        AtomicInteger runs = new AtomicInteger();
        Callable<Void> runner =
            () -> {
              try {
                while (true) {
                  try (Tensor result = compiled.run(x)) {
                    assertThat(result.toFloatArray()).isEqualTo(expected);
                  }
                  runs.incrementAndGet();
                }
              } catch (IllegalStateException e) {
                assertThat(e).hasMessageContaining("it was closed");
                return null;
              }
            };
        List<Future<Void>> running = List.of(threads.submit(runner), threads.submit(runner));
        while (runs.get() < 5) {
          Thread.onSpinWait();
        }
        compiled.close();
        for (Future<Void> each : running) {
          each.get();
        }
      }
    }
  }

  @Test
  void functionThatAsksForValuesIsRefusedWithTheLine() {
    UnaryOperator<Tensor> branching = x -> x.sum().item() > 0 ? x : x.neg();
    assertThatIllegalStateException()
        .isThrownBy(() -> Quern.compile(branching, ROW))
        .withMessageContaining("asks for the elements of a tensor F32[]")
        .withMessageContaining("CompiledTest.java")
        .withMessageContaining("Tensor.where");
    assertThat(row(1, 2).sum().item()).as("after a failed trace").isEqualTo(3);
  }

  @Test
  void tensorThatLeavesTheTraceHasNoValue() {
    List<Tensor> leaked = new ArrayList<>();
    Quern.compile(
        x -> {
          leaked.add(scope.keep(x.mul(2)));
          return x;
        },
        ROW);
    assertThatIllegalStateException().isThrownBy(() -> leaked.getFirst().add(1));
  }

  @Test
  void compilingInsideOfATracedFunctionIsRefused() {
    assertThatIllegalStateException()
        .isThrownBy(() -> Quern.compile(x -> Quern.compile(y -> y.mul(2), ROW).run(x), ROW))
        .withMessageContaining("traced already");
  }

  @Test
  void tensorsOfAnotherDeviceAreRefused() {
    Device other = Device.of("remote");
    Tensor there = row(1, 2, 3, 4).to(other);
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Quern.compile(x -> there.mul(2), ROW))
        .withMessageContaining("found a tensor on remote");
  }

  @Test
  void argumentsMayBeViews() {
    Compiled twice = Quern.compile(x -> x.mul(2), new TensorSpec(DType.F32, Shape.of(2, 2)));
    Tensor matrix = Tensor.of(new float[] {1, 2, 3, 4}, 2, 2);
    assertThat(twice.run(matrix.transpose(0, 1)).toFloatArray()).containsExactly(2, 6, 4, 8);
    Tensor longer = row(9, 1, 2, 3, 4, 9);
    assertThat(twice.run(longer.slice(0, 1, 5).reshape(2, 2)).toFloatArray())
        .containsExactly(2, 4, 6, 8);
  }

  @Test
  void resultsMayBeArgumentsViewsAndTheSameTwice() {
    Compiled function =
        Quern.compile(
            Device.cpu(),
            in -> {
              Tensor sum = in.getFirst().add(1);
              return List.of(in.getFirst(), sum, sum, sum.slice(0, 1, 3), sum.flip(0));
            },
            List.of(ROW));
    Tensor[] results = function.runAll(row(1, 2, 3, 4));
    assertThat(results[0].toFloatArray()).containsExactly(1, 2, 3, 4);
    assertThat(results[1].toFloatArray()).containsExactly(2, 3, 4, 5);
    assertThat(results[2].toFloatArray()).containsExactly(2, 3, 4, 5);
    assertThat(results[3].toFloatArray()).containsExactly(3, 4);
    assertThat(results[4].toFloatArray()).containsExactly(5, 4, 3, 2);
  }

  @Test
  void closedArgumentIsRefused() {
    Compiled twice = Quern.compile(x -> x.mul(2), ROW);
    Tensor closed = row(1, 2, 3, 4);
    closed.close();
    assertThatIllegalStateException()
        .isThrownBy(() -> twice.runInto(new Tensor[] {closed}, new Tensor[] {row(0, 0, 0, 0)}))
        .withMessageContaining("was used after close()");
  }

  @Test
  void capturedTensorsStayAliveAndChangesAreSeenAlsoWhereTheyWereFolded() {
    Tensor weight = row(1, 2, 3, 4);
    Compiled folded = Quern.compile(x -> x.add(weight.exp().log().mul(2)), ROW);
    float[] before = folded.run(row(0, 0, 0, 0)).toFloatArray();
    assertThat(before[3]).isCloseTo(8, org.assertj.core.data.Offset.offset(1e-5f));
    weight.copyFrom(row(5, 5, 5, 5));
    float[] after = folded.run(row(0, 0, 0, 0)).toFloatArray();
    assertThat(after[0]).isCloseTo(10, org.assertj.core.data.Offset.offset(1e-5f));
    weight.close();
    assertThat(folded.run(row(0, 0, 0, 0)).toFloatArray()).containsExactly(after);
  }

  @Test
  void capturedTensorsAreWrittenInOrder() {
    Tensor a = row(1, 1, 1, 1);
    Tensor b = row(2, 2, 2, 2);
    UnaryOperator<Tensor> swap =
        x -> {
          Tensor before = a.add(0);
          a.copyFrom(b);
          b.copyFrom(before);
          return a.add(x);
        };
    for (Pass[] passes : new Pass[][] {{}, Pass.values()}) {
      a.copyFrom(row(1, 1, 1, 1));
      b.copyFrom(row(2, 2, 2, 2));
      Compiled compiled = Quern.compile(swap, ROW).with(passes);
      assertThat(compiled.run(row(1, 2, 3, 4)).toFloatArray()).containsExactly(3, 4, 5, 6);
      assertThat(a.toFloatArray()).containsExactly(2, 2, 2, 2);
      assertThat(b.toFloatArray()).containsExactly(1, 1, 1, 1);
      compiled.run(row(0, 0, 0, 0));
      assertThat(a.toFloatArray()).containsExactly(1, 1, 1, 1);
    }
  }

  @Test
  void aCopyOfATensorThatChangesIsOfItBeforeTheChange() {
    Tensor weight = row(0, 0, 0, 0);
    Tensor previous = row(0, 0, 0, 0);
    Tensor flipped = row(0, 0, 0, 0);
    UnaryOperator<Tensor> function =
        x -> {
          previous.copyFrom(weight);
          flipped.copyFrom(weight.flip(0));
          weight.copyFrom(weight.add(x));
          return x.neg();
        };
    for (Pass[] passes : new Pass[][] {{}, Pass.values()}) {
      weight.copyFrom(row(1, 2, 3, 4));
      Compiled compiled = Quern.compile(function, ROW).with(passes);
      compiled.run(row(1, 1, 1, 1));
      assertThat(previous.toFloatArray()).containsExactly(1, 2, 3, 4);
      assertThat(flipped.toFloatArray()).containsExactly(4, 3, 2, 1);
      assertThat(weight.toFloatArray()).containsExactly(2, 3, 4, 5);
      compiled.run(row(10, 10, 10, 10));
      assertThat(previous.toFloatArray()).containsExactly(2, 3, 4, 5);
      assertThat(flipped.toFloatArray()).containsExactly(5, 4, 3, 2);
      assertThat(weight.toFloatArray()).containsExactly(12, 13, 14, 15);
    }
  }

  private static void assertRefusesWrite(UnaryOperator<Tensor> function, String message) {
    assertThatExceptionOfType(UnsupportedOperationException.class)
        .isThrownBy(() -> Quern.compile(function, new TensorSpec(DType.F32, Shape.of(2))))
        .withMessage(message);
  }

  @Test
  void writesThatWouldBeLostAreRefused() {
    Tensor weight = row(1, 2, 3, 4);
    Tensor head = weight.slice(0, 0, 2);
    Tensor tail = weight.slice(0, 2, 4);
    assertRefusesWrite(
        x -> {
          x.copyFrom(x.add(1));
          return x;
        },
        "compile: cast writes into an argument F32[2] of the function; return the new elements as a"
            + " result instead");
    assertRefusesWrite(
        x -> {
          weight.slice(0, 0, 2).copyFrom(x);
          return weight.add(0);
        },
        "compile: cast writes into a view F32[2] that the function has made; write the whole"
            + " tensor, joined by Tensor.concat or chosen by Tensor.where, or make the view outside"
            + " of the function");
    assertRefusesWrite(
        x -> {
          Tensor sum = x.add(1);
          Tensor view = sum.slice(0, 0, 1);
          sum.copyFrom(x);
          return view;
        },
        "compile: cast writes into a tensor F32[2] that has views; use the result instead");
    assertRefusesWrite(
        x -> {
          head.copyFrom(x);
          tail.copyFrom(x);
          return x;
        },
        "compile: cast writes to two views of one tensor, [2] strides [1] offset 0 and [2] strides"
            + " [1] offset 2; write the whole tensor instead");
    assertRefusesWrite(
        x -> {
          head.copyFrom(x);
          return weight.add(0);
        },
        "compile: a tensor F32[2] is written and also used through the view [4] strides [1] offset"
            + " 0; write and use the whole tensor, and make views of it in the function");
    assertThat(weight.toFloatArray()).containsExactly(1, 2, 3, 4);
  }

  /** What the messages above say. */
  @Test
  void partsOfTensorsAreWrittenAsAWholeOrThroughViewsFromOutside() {
    Tensor weight = row(1, 2, 3, 4);
    Tensor tail = weight.slice(0, 2, 4);
    TensorSpec half = new TensorSpec(DType.F32, Shape.of(2));
    Compiled whole =
        Quern.compile(
            x -> {
              weight.copyFrom(Tensor.concat(0, x, weight.slice(0, 2, 4)));
              return weight.slice(0, 1, 3);
            },
            half);
    assertThat(whole.run(row(8, 9)).toFloatArray()).containsExactly(9, 3);
    assertThat(weight.toFloatArray()).containsExactly(8, 9, 3, 4);
    Compiled part =
        Quern.compile(
            x -> {
              tail.copyFrom(x);
              return tail.neg();
            },
            half);
    assertThat(part.run(row(5, 6)).toFloatArray()).containsExactly(-5, -6);
    assertThat(weight.toFloatArray()).containsExactly(8, 9, 5, 6);
  }

  @Test
  void whatAStepWroteBeforeAnotherFailedIsSeenByOthers() {
    Tensor weight = row(1, 2, 3, 4);
    Tensor table = row(7, 8, 9);
    Compiled reader = Quern.compile(x -> x.add(weight.exp()), ROW);
    reader.run(row(0, 0, 0, 0));
    Compiled writer =
        Quern.compile(
            Device.cpu(),
            in -> {
              weight.copyFrom(weight.add(1));
              return List.of(table.gather(0, in.getFirst()));
            },
            List.of(new TensorSpec(DType.I64, Shape.of(2))));
    assertThatExceptionOfType(IndexOutOfBoundsException.class)
        .isThrownBy(() -> writer.run(Tensor.of(new long[] {0, 3})));
    assertThat(weight.toFloatArray()).containsExactly(2, 3, 4, 5);
    assertThat(reader.run(row(0, 0, 0, 0)).toFloatArray()).isEqualTo(weight.exp().toFloatArray());
  }

  @Test
  void whatAnOpWroteBeforeItFailedIsSeenByPlans() {
    Tensor target = row(0, 0, 0, 0);
    Compiled reader = Quern.compile(x -> x.add(target.exp()), ROW);
    reader.run(row(0, 0, 0, 0));
    List<Tensor> inputs = List.of(row(7, 8, 9), Tensor.of(new long[] {0, 1, 2, 3}));
    assertThatExceptionOfType(IndexOutOfBoundsException.class)
        .isThrownBy(() -> Tensor.applyInto(new Gather(0), inputs, List.of(target)));
    assertThat(target.toFloatArray()).containsExactly(7, 8, 9, 0);
    assertThat(reader.run(row(0, 0, 0, 0)).toFloatArray()).isEqualTo(target.exp().toFloatArray());
  }

  @Test
  void functionThatIsClosedWhileItCompilesStaysClosed() {
    AtomicReference<Compiled> closing = new AtomicReference<>();
    Compiled compiled =
        Quern.compile(
            x -> {
              if (x.dim(0) == 2) {
                closing.get().close();
              }
              return x.neg();
            },
            ROW);
    closing.set(compiled);
    for (int i = 0; i < 2; i++) {
      assertThatIllegalStateException()
          .isThrownBy(() -> compiled.run(row(1, 2)))
          .withMessage("plan: it was closed; compile the function anew");
    }
  }

  @Test
  void randomNumbersAreDrawnAnewAndAreThoseOfTheEagerRun() {
    Rng eagerSource = Rng.of(3);
    Rng source = Rng.of(3);
    Compiled noisy = Quern.compile(x -> x.add(source.normal(4)), ROW);
    for (int i = 0; i < 3; i++) {
      Tensor x = row(1, 2, 3, 4);
      assertThat(noisy.run(x).toFloatArray())
          .containsExactly(x.add(eagerSource.normal(4)).toFloatArray());
    }
  }

  @Test
  void manyThreadsRunOnePlan() throws Exception {
    Tensor weight = Rng.of(1).normal(16, 16);
    TensorSpec spec = new TensorSpec(DType.F32, Shape.of(3, 16));
    Compiled function = Quern.compile(x -> x.matmul(weight).tanh().matmul(weight).softmax(1), spec);
    try (ExecutorService threads = Executors.newFixedThreadPool(8)) {
      List<Future<Boolean>> done = new ArrayList<>();
      for (int t = 0; t < 8; t++) {
        int seed = t;
        Callable<Boolean> work =
            () -> {
              Tensor x = Rng.of(seed).normal(3, 16);
              float[] expected = x.matmul(weight).tanh().matmul(weight).softmax(1).toFloatArray();
              boolean same = true;
              for (int i = 0; i < 50; i++) {
                same &= Arrays.equals(expected, function.run(x).toFloatArray());
              }
              return same;
            };
        done.add(threads.submit(work));
      }
      for (Future<Boolean> each : done) {
        assertThat(each.get()).isTrue();
      }
    }
  }

  // ---- training ----------------------------------------------------------------------------

  private static Module network() {
    Rng rng = Rng.of(7);
    return Sequential.of(
        Linear.of(6, 8, rng),
        BatchNorm1d.of(8),
        new Relu(),
        Dropout.of(0.25),
        Linear.of(8, 3, rng));
  }

  private static Optimizer optimizer(String name, Module model) {
    return switch (name) {
      case "sgd" -> Sgd.of(model.parameters(), 0.1);
      case "momentum" -> Sgd.builder(model.parameters(), 0.1).momentum(0.9).build();
      default -> Adam.of(model.parameters(), 0.01);
    };
  }

  @ParameterizedTest
  @ValueSource(strings = {"sgd", "momentum", "adam"})
  void trainingStepGivesTheBitsOfTheEagerStep(String name) {
    Tensor x = Rng.of(1).normal(5, 6);
    Tensor labels = Tensor.of(new long[] {0, 1, 2, 1, 0});
    Module eager = network();
    Optimizer eagerOptimizer = optimizer(name, eager);
    Mode eagerMode = Mode.training(Rng.of(9));
    Module compiled = network();
    Optimizer optimizer = optimizer(name, compiled);
    Mode mode = Mode.training(Rng.of(9));
    Compiled step =
        Quern.compile(
            Device.cpu(),
            in -> {
              Tensor loss = Losses.crossEntropy(compiled.forward(in.get(0), mode), in.get(1));
              optimizer.step(loss.backward());
              return List.of(loss);
            },
            List.of(x.spec(), labels.spec()));
    for (int i = 0; i < 5; i++) {
      Tensor loss = Losses.crossEntropy(eager.forward(x, eagerMode), labels);
      eagerOptimizer.step(loss.backward());
      assertThat(step.run(x, labels).item()).isEqualTo(loss.item());
    }
    assertThat(optimizer.steps()).isEqualTo(5);
    requireSame(eager.parameters(), compiled.parameters());
    requireSame(eager.buffers(), compiled.buffers());
  }

  private static void requireSame(Map<String, Tensor> expected, Map<String, Tensor> found) {
    expected.forEach(
        (key, tensor) ->
            assertThat(found.get(key).toByteArray()).as(key).isEqualTo(tensor.toByteArray()));
  }

  @Test
  void changedLearningRateTakesEffect() {
    Module model = network();
    Optimizer optimizer = Sgd.of(model.parameters(), 0);
    Tensor x = Rng.of(1).normal(5, 6);
    Compiled step =
        Quern.compile(
            Device.cpu(),
            in -> {
              Tensor loss = model.forward(in.getFirst(), Mode.INFERENCE).square().sum();
              optimizer.step(loss.backward());
              return List.of(loss);
            },
            List.of(x.spec()));
    double first = step.run(x).item();
    assertThat(step.run(x).item()).isEqualTo(first);
    optimizer.learningRate(0.01);
    step.run(x);
    assertThat(step.run(x).item()).isNotEqualTo(first);
  }

  @Test
  void badPassNameIsRefused() {
    System.setProperty("quern.passes.off", "fues");
    try {
      assertThatExceptionOfType(IllegalArgumentException.class)
          .isThrownBy(() -> Quern.compile(x -> x, ROW))
          .withMessageContaining(
              "expected some of [simplify, fold, cse, dead_code, fuse, epilogues, pools,"
                  + " reductions]");
    } finally {
      System.clearProperty("quern.passes.off");
    }
  }

  @Test
  void wrongNumbersOfArgumentsAndResultsAreNamed() {
    TensorSpec spec = new TensorSpec(DType.F32, Shape.of(2));
    Compiled compiled = Quern.compile(Tensor::exp, spec);
    Tensor one = Tensor.ones(2);
    assertThatIllegalArgumentException()
        .isThrownBy(() -> compiled.run(one, one))
        .withMessage("compiled: expected 1 arguments, found 2");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> compiled.run())
        .withMessage("compiled: expected 1 arguments, found 0");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Quern.compile(x -> null, spec))
        .withMessage("compile: the function returned null, not a tensor");
  }

  @Test
  void warmingUpRunsWhatLeavesNothingBehind() {
    Tensor counter = Tensor.zeros(4);
    Compiled counting =
        Quern.compile(
            x -> {
              counter.copyFrom(counter.add(1));
              return x.add(counter);
            },
            ROW);
    Rng eagerSource = Rng.of(3);
    Rng source = Rng.of(3);
    Compiled noisy = Quern.compile(x -> x.add(source.normal(4)), ROW);

    counting.warmUp();
    noisy.warmUp();

    assertThat(counter.toFloatArray()).containsOnly(0);
    Tensor x = row(1, 2, 3, 4);
    assertThat(noisy.run(x).toFloatArray())
        .containsExactly(x.add(eagerSource.normal(4)).toFloatArray());
  }

  @Test
  void warmingUpGoesOnWhereZerosAreRefused() {
    Tensor empty = Tensor.zeros(0, 3);
    Compiled lookup =
        Quern.compile(
            i -> Tensor.apply(new Gather(0), empty, i), new TensorSpec(DType.I32, Shape.of(2)));

    assertThat(lookup.warmUp()).isSameAs(lookup);
  }
}
