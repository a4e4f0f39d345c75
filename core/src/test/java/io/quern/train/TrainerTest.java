package io.quern.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.quern.Batch;
import io.quern.DType;
import io.quern.Rng;
import io.quern.Tensor;
import io.quern.grad.Gradients;
import io.quern.nn.Linear;
import io.quern.nn.Loss;
import io.quern.nn.Losses;
import io.quern.nn.Module;
import io.quern.nn.Sequential;
import io.quern.nn.Tanh;
import io.quern.optim.Adam;
import io.quern.optim.Optimizer;
import io.quern.optim.Schedule;
import io.quern.optim.Sgd;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class TrainerTest {
  private static final String OP_BY_OP = "training runs op by op: {0}";

  @TempDir Path directory;

  private static Trainer.Builder trainer(Module model) {
    return Trainer.builder(model, Adam.of(model.parameters(), 0.01), Losses::crossEntropy);
  }

  /** Notes what it is told. */
  private static final class Notes implements TrainListener {
    final List<String> events = new ArrayList<>();
    final List<StepResult> steps = new ArrayList<>();

    @Override
    public void epochStarted(int epoch, int epochs) {
      events.add("start " + epoch + "/" + epochs);
    }

    @Override
    public void stepDone(StepResult result) {
      events.add("step " + result.progress().step());
      steps.add(result);
    }

    @Override
    public void epochDone(EpochResult result) {
      events.add("done " + result.epoch() + (result.validation().isPresent() ? " valid" : ""));
    }

    @Override
    public void checkpointWritten(Path path, Progress progress) {
      events.add("saved " + progress.epoch() + "+" + progress.batch());
    }
  }

  @Test
  void listenersAreToldEverythingInOrder() {
    Notes notes = new Notes();
    List<EpochResult> results =
        trainer(TinyData.plain(1))
            .epochs(2)
            .metrics(new Accuracy())
            .validation(TinyData.list(1, 4))
            .checkpoint(directory.resolve("c"), 2)
            .listener(notes)
            .build()
            .fit(TinyData.list(3, 4));
    assertThat(notes.events)
        .containsExactly(
            "start 1/2",
            "step 1",
            "step 2",
            "saved 0+2",
            "step 3",
            "saved 1+0",
            "done 1 valid",
            "start 2/2",
            "step 4",
            "saved 1+1",
            "step 5",
            "step 6",
            "saved 2+0",
            "done 2 valid");
    assertThat(results).hasSize(2);
    assertThat(results.get(0).examples()).isEqualTo(12);
    StepResult last = notes.steps.getLast();
    assertThat(last.batches()).isEqualTo(3);
    assertThat(last.epochs()).isEqualTo(2);
    assertThat(last.learningRate()).isEqualTo(0.01);
    assertThat(last.examplesPerSecond()).isPositive();
    assertThat(last.metrics()).containsOnlyKeys("accuracy");
    double mean = notes.steps.subList(3, 6).stream().mapToDouble(StepResult::loss).sum() / 3;
    assertThat(results.get(1).loss()).isCloseTo(mean, within(1e-12));
    assertThat(last.meanLoss()).isEqualTo(results.get(1).loss());
    assertThat(results.get(1).metrics()).isEqualTo(last.metrics());
  }

  @Test
  void batchesOfStreamsAreClosedAndThoseOfCollectionsStay() {
    TinyData.Stream stream = new TinyData.Stream(3, 4);
    Notes notes = new Notes();
    Trainer trainer = trainer(TinyData.plain(1)).epochs(2).listener(notes).build();
    trainer.fit(stream);
    assertThat(stream.made).hasSize(6).allMatch(batch -> batch.input().isClosed());
    assertThat(stream.made).allMatch(batch -> batch.target().isClosed());
    assertThat(stream.closedIterators).isEqualTo(2);
    assertThat(notes.steps)
        .extracting(StepResult::batches)
        .containsExactly(-1L, -1L, -1L, 3L, 3L, 3L);
    trainer.evaluate(stream);
    assertThat(stream.made).allMatch(batch -> batch.input().isClosed());
    assertThat(stream.closedIterators).isEqualTo(3);

    List<Batch> list = TinyData.list(2, 4);
    trainer(TinyData.plain(1)).epochs(3).build().fit(list);
    assertThat(list).noneMatch(batch -> batch.input().isClosed());
  }

  @Test
  void epochsMayHaveDataOfTheirOwn() {
    List<Long> asked = new ArrayList<>();
    trainer(TinyData.plain(1))
        .epochs(3)
        .build()
        .fit(
            epoch -> {
              asked.add(epoch);
              return TinyData.list(1, 4);
            });
    assertThat(asked).containsExactly(0L, 1L, 2L);
  }

  @Test
  void aStepLeavesNoTensorsOpen() {
    Module model = TinyData.stateful(1);
    List<Tensor> seen = new ArrayList<>();
    Trainer.builder(
            model,
            Sgd.of(model.parameters(), 0.1),
            (prediction, target) -> {
              Tensor loss = Losses.crossEntropy(prediction, target);
              seen.add(prediction);
              seen.add(loss);
              return loss;
            })
        .build()
        .fit(TinyData.list(1, 4));
    assertThat(seen).hasSize(2).allMatch(Tensor::isClosed);
    assertThat(model.parameters().values()).noneMatch(Tensor::isClosed);
    assertThat(model.buffers().values()).noneMatch(Tensor::isClosed);
    assertThatThrownBy(seen.get(0)::neg).hasMessageContaining("used after a traced function ended");
  }

  @Test
  void theScheduleSetsTheRateOfEachStep() {
    Notes notes = new Notes();
    trainer(TinyData.plain(1))
        .epochs(2)
        .schedule(Schedule.step(1, 1, 0.5))
        .listener(notes)
        .build()
        .fit(TinyData.list(2, 4));
    assertThat(notes.steps)
        .extracting(StepResult::learningRate)
        .containsExactly(1.0, 0.5, 0.25, 0.125);
  }

  @Test
  void clippingLimitsTheStep() {
    Module model = TinyData.plain(1);
    Map<String, Tensor> parameters = model.parameters();
    double[] before = flat(parameters);
    Trainer.builder(model, Sgd.of(parameters, 1), (p, t) -> p.square().sum().mul(1000))
        .clipNorm(0.5)
        .build()
        .fit(TinyData.list(1, 4));
    double[] after = flat(parameters);
    double moved = 0;
    for (int i = 0; i < before.length; i++) {
      moved += (after[i] - before[i]) * (after[i] - before[i]);
    }
    assertThat(Math.sqrt(moved)).isCloseTo(0.5, within(1e-5));

    Module other = TinyData.plain(1);
    Trainer.builder(other, Sgd.of(other.parameters(), 1), (p, t) -> p.square().sum().mul(1000))
        .clipValue(0.01)
        .build()
        .fit(TinyData.list(1, 4));
    after = flat(other.parameters());
    for (int i = 0; i < before.length; i++) {
      assertThat(Math.abs(after[i] - before[i])).isLessThanOrEqualTo(0.01 + 1e-7);
    }
  }

  private static double[] flat(Map<String, Tensor> tensors) {
    return tensors.values().stream()
        .flatMapToDouble(t -> java.util.Arrays.stream(t.toDoubleArray()))
        .toArray();
  }

  static Stream<Arguments> optimizers() {
    return Stream.of(
        optimizer("sgd", p -> Sgd.of(p, 0.5)),
        optimizer("momentum", p -> Sgd.builder(p, 0.1).momentum(0.9).build()),
        optimizer("nesterov", p -> Sgd.builder(p, 0.1).momentum(0.9).nesterov(true).build()),
        optimizer("adam", p -> Adam.of(p, 0.05)),
        optimizer("adamw", p -> Adam.adamW(p, 0.05, 1e-4)));
  }

  private static Arguments optimizer(String name, Function<Map<String, Tensor>, Optimizer> make) {
    return Arguments.of(name, make);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("optimizers")
  void everyOptimiserLearnsATinyProblemByHeart(
      String name, Function<Map<String, Tensor>, Optimizer> make) {
    Rng rng = Rng.of(3);
    Module model = Sequential.of(Linear.of(2, 8, rng), new Tanh(), Linear.of(8, 2, rng));
    Tensor corners = Tensor.of(new float[] {-1, -1, -1, 1, 1, -1, 1, 1}, 4, 2);
    Batch xor = new Batch(corners, Tensor.of(new long[] {1, 0, 0, 1}));
    Trainer trainer =
        Trainer.builder(model, make.apply(model.parameters()), Losses::crossEntropy)
            .epochs(300)
            .build();
    trainer.fit(List.of(xor));
    Evaluation evaluation = trainer.evaluate(List.of(xor), new Accuracy());
    assertThat(evaluation.loss()).as(name).isLessThan(1e-2);
    assertThat(evaluation.metrics()).containsEntry("accuracy", 1.0);
    assertThat(evaluation.examples()).isEqualTo(4);
  }

  @Test
  void theSameSeedGivesTheSameBitsAndAnotherSeedOthers() {
    byte[][] runs = new byte[3][];
    for (int run = 0; run < 3; run++) {
      Module model = TinyData.stateful(1);
      trainer(model).epochs(2).seed(run == 2 ? 8 : 7).build().fit(TinyData.list(3, 8));
      runs[run] = bits(model);
    }
    assertThat(runs[1]).isEqualTo(runs[0]);
    assertThat(runs[2]).isNotEqualTo(runs[0]);
  }

  static byte[] bits(Module model) {
    java.io.ByteArrayOutputStream bytes = new java.io.ByteArrayOutputStream();
    model.parameters().values().forEach(t -> bytes.writeBytes(t.toByteArray()));
    model.buffers().values().forEach(t -> bytes.writeBytes(t.toByteArray()));
    return bytes.toByteArray();
  }

  @Test
  void aNanInTheTargetStopsTheTrainingAndIsFound() {
    Module model = Linear.of(2, 1, Rng.of(1));
    byte[] before = bits(model);
    Tensor target = Tensor.of(new float[] {1, 2, Float.NaN}, 3, 1);
    List<Batch> data = List.of(new Batch(Tensor.ones(3, 2), target));
    Trainer trainer = Trainer.builder(model, Sgd.of(model.parameters(), 0.1), Losses::mse).build();
    assertThatThrownBy(() -> trainer.fit(data))
        .isInstanceOf(ArithmeticException.class)
        .hasMessage(
            "training: the loss is NaN at step 1 (epoch 1, batch 1); element 2 of the target"
                + " F32[3, 1] is not finite; clean the data");
    assertThat(bits(model)).isEqualTo(before);
    Tensor input = Tensor.of(new float[] {1, 2, 3, Float.POSITIVE_INFINITY}, 2, 2);
    assertThatThrownBy(() -> trainer.fit(List.of(new Batch(input, Tensor.ones(2, 1)))))
        .hasMessageContaining("element 3 of the input F32[2, 2] is not finite");
  }

  @Test
  void aTrainingThatDivergesStopsWithTheRemedyAndKeepsTheCheckpoint() {
    Module model = Linear.of(2, 1, Rng.of(1));
    Path path = directory.resolve("c");
    Batch batch = new Batch(Tensor.ones(3, 2), Tensor.ones(3, 1));
    Notes notes = new Notes();
    Trainer trainer =
        Trainer.builder(model, Sgd.of(model.parameters(), 1e6), Losses::mse)
            .epochs(100)
            .checkpoint(path)
            .listener(notes)
            .build();
    assertThatThrownBy(() -> trainer.fit(List.of(batch)))
        .isInstanceOf(ArithmeticException.class)
        .hasMessageMatching(
            "training: the loss is (NaN|Infinity) at step \\d+ \\(epoch \\d+, batch 1\\); input"
                + " and target are finite; lower the learning rate, warm it up, or clip the"
                + " gradients by norm");
    Progress saved = Checkpoint.load(path).progress();
    assertThat(saved).isEqualTo(trainer.progress());
    assertThat(saved.step()).isEqualTo(notes.steps.size());
  }

  @Test
  void aBadLabelEndsTheTrainingWithItsPosition() {
    TinyData.Stream good = new TinyData.Stream(2, 4);
    Trainer trainer = trainer(TinyData.plain(1)).build();
    List<Batch> bad = List.of(new Batch(Tensor.ones(2, 2), Tensor.of(new long[] {0, 2})));
    assertThatThrownBy(() -> trainer.fit(bad))
        .isInstanceOf(IndexOutOfBoundsException.class)
        .hasMessageContaining("label 2 at position 1 of the batch");
    trainer.fit(good);
    assertThat(trainer.progress()).isEqualTo(new Progress(1, 0, 2));
  }

  @Test
  void stoppingEndsAfterTheStepAndFitGoesOn() {
    TinyData.Stream data = new TinyData.Stream(4, 4);
    Module model = TinyData.stateful(1);
    Trainer[] holder = new Trainer[1];
    holder[0] =
        trainer(model)
            .epochs(2)
            .listener(
                new TrainListener() {
                  @Override
                  public void stepDone(StepResult result) {
                    if (result.progress().step() == 2) {
                      holder[0].stop();
                    }
                  }
                })
            .build();
    assertThat(holder[0].fit(data)).isEmpty();
    assertThat(holder[0].progress()).isEqualTo(new Progress(0, 2, 2));
    assertThat(data.closedIterators).isEqualTo(1);
    assertThat(data.made).allMatch(batch -> batch.input().isClosed());
    assertThat(holder[0].fit(data)).hasSize(2);

    Module straight = TinyData.stateful(1);
    trainer(straight).epochs(2).build().fit(TinyData.list(4, 4));
    assertThat(bits(model)).isEqualTo(bits(straight));
  }

  @Test
  void emptyDataIsAnError() {
    Trainer trainer = trainer(TinyData.plain(1)).build();
    assertThatThrownBy(() -> trainer.fit(List.of())).hasMessage("training: epoch 1 has no batches");
    assertThat(trainer.evaluate(List.of()).loss()).isNaN();
    assertThatThrownBy(() -> trainer(TinyData.plain(1)).epochs(0))
        .hasMessage("trainer: epochs must be 1 or more, found 0");
  }

  @Test
  void aModelOfDoublesTrainsOnDoubles() {
    Module model = TinyData.stateful(1).to(DType.F64);
    Batch batch = TinyData.xor(1, 8);
    Batch doubles = new Batch(batch.input().to(DType.F64), batch.target());
    trainer(model).build().fit(List.of(doubles));
    assertThat(model.parameters().values()).allMatch(t -> t.dtype() == DType.F64);
  }

  // ---- mixed precision --------------------------------------------------------------------

  /** Messages of Quern's log while something runs. */
  private static List<String> logged(Runnable work) {
    List<String> told = new ArrayList<>();
    Handler handler =
        new Handler() {
          @Override
          public void publish(LogRecord message) {
            told.add(message.getMessage());
          }

          @Override
          public void flush() {}

          @Override
          public void close() {}
        };
    Logger logger = Logger.getLogger("io.quern");
    logger.addHandler(handler);
    try {
      work.run();
    } finally {
      logger.removeHandler(handler);
    }
    return told;
  }

  @Test
  void mixedPrecisionLearnsAsWellAsF32() {
    double[] losses = new double[2];
    for (int run = 0; run < 2; run++) {
      Module model = TinyData.plain(1);
      Trainer.Builder builder = trainer(model).epochs(40);
      Trainer trainer = (run == 0 ? builder : builder.precision(DType.BF16)).build();
      assertThat(logged(() -> trainer.fit(TinyData.list(8, 16)))).doesNotContain(OP_BY_OP);
      assertThat(model.parameters().values()).allMatch(t -> t.dtype() == DType.F32);
      losses[run] = trainer.evaluate(TinyData.list(8, 16)).loss();
    }
    assertThat(losses[0]).isLessThan(0.15);
    // Logits below 8 are wrong by less than 2^-8 * 8 in each of two layers, the loss by no more.
    assertThat(losses[1]).isCloseTo(losses[0], within(2 * 8 * 0x1p-8));
  }

  @Test
  void mixedPrecisionIsCompiledOnceAndGivesTheBitsOfOpByOp() {
    Module model = TinyData.stateful(1);
    AtomicInteger traced = new AtomicInteger();
    Loss counting =
        (prediction, target) -> {
          traced.incrementAndGet();
          assertThat(prediction.dtype()).isEqualTo(DType.F32);
          return Losses.crossEntropy(prediction, target);
        };
    Trainer.builder(model, Adam.of(model.parameters(), 0.01), counting)
        .precision(DType.BF16)
        .build()
        .fit(TinyData.list(5, 8));
    assertThat(traced).hasValue(1);

    Module eager = TinyData.stateful(1);
    Loss asking =
        (prediction, target) -> {
          assertThat(prediction.toFloatArray()).isNotEmpty();
          return Losses.crossEntropy(prediction, target);
        };
    Trainer opByOp =
        Trainer.builder(eager, Adam.of(eager.parameters(), 0.01), asking)
            .precision(DType.BF16)
            .build();
    assertThat(logged(() -> opByOp.fit(TinyData.list(5, 8)))).contains(OP_BY_OP);
    assertThat(bits(model)).isEqualTo(bits(eager));
    Module usual = TinyData.stateful(1);
    trainer(usual).build().fit(TinyData.list(5, 8));
    assertThat(bits(usual)).isNotEqualTo(bits(eager));
  }

  @Test
  void whatFollowsFromWeightsAloneDoesNotMakeStepsCompileAnew() {
    Module model = TinyData.plain(1);
    AtomicInteger traced = new AtomicInteger();
    Loss decaying =
        (prediction, target) -> {
          traced.incrementAndGet();
          Tensor weight = model.parameters().get("0.weight");
          return Losses.crossEntropy(prediction, target).add(weight.square().sum());
        };
    Trainer.builder(model, Sgd.of(model.parameters(), 0.1), decaying)
        .build()
        .fit(TinyData.list(5, 8));
    assertThat(traced).hasValue(1);
  }

  @Test
  void metricsAndValidationGetPredictionsOfF32() {
    List<DType> seen = new ArrayList<>();
    Metric dtypes =
        new Metric() {
          @Override
          public String name() {
            return "dtypes";
          }

          @Override
          public void update(Tensor prediction, Tensor target) {
            seen.add(prediction.dtype());
          }

          @Override
          public double value() {
            return seen.size();
          }

          @Override
          public void reset() {}
        };
    Module model = TinyData.stateful(1);
    Trainer mixed =
        trainer(model)
            .precision(DType.BF16)
            .metrics(dtypes)
            .validation(TinyData.list(1, 4))
            .build();
    mixed.fit(TinyData.list(1, 4));
    assertThat(seen).containsExactly(DType.F32, DType.F32);
    double usual = trainer(model).build().evaluate(TinyData.list(1, 4)).loss();
    assertThat(mixed.evaluate(TinyData.list(1, 4)).loss()).isNotEqualTo(usual);
  }

  @Test
  void otherDtypesAreNoPrecision() {
    assertThatThrownBy(() -> trainer(TinyData.plain(1)).precision(DType.F64))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("mode: the precision must be BF16, F16 or F32, found F64");
  }

  @Test
  void listenersAreToldHowFarBitsCanBeReliedOn() {
    List<String> told = new ArrayList<>();
    TrainListener listener =
        new TrainListener() {
          @Override
          public void started(Trainer trainer) {
            told.add(trainer.describe());
          }
        };
    trainer(TinyData.plain(1)).listener(listener).build().fit(TinyData.list(1, 4));
    trainer(TinyData.plain(1))
        .precision(DType.F16)
        .listener(listener)
        .build()
        .fit(TinyData.list(1, 4));
    assertThat(told)
        .containsExactly(
            "training on reference; R3, the same bits on every CPU",
            "training on reference in F16; R3, the same bits on every CPU");
  }

  /**
   * Moving or converting a model makes other tensors; the old ones would be trained for nothing.
   */
  @Test
  void anOptimiserOfOtherTensorsIsRefused() {
    Linear model = Linear.of(2, 1, Rng.of(1));
    Optimizer before = Sgd.of(model.parameters(), 0.1);
    model.to(DType.F64);
    assertThatThrownBy(() -> Trainer.builder(model, before, Losses::mse).build())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("trainer: no parameter of the optimiser is one of the model");
    Gradients others = Gradients.of(model.parameters().values(), model.parameters().values());
    assertThatThrownBy(() -> before.step(others))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("sgd: none of [weight, bias] has a gradient");
  }

  @Test
  void aStopThatComesFirstIsNotLost() {
    Trainer trainer = trainer(TinyData.plain(1)).epochs(2).build();
    trainer.stop();
    assertThat(trainer.fit(TinyData.list(1, 4))).isEmpty();
    assertThat(trainer.progress().step()).isZero();
    assertThat(trainer.fit(TinyData.list(1, 4))).hasSize(2);
  }
}
