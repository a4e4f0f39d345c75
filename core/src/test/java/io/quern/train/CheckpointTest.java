package io.quern.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.quern.Batch;
import io.quern.DType;
import io.quern.Rng;
import io.quern.Tensor;
import io.quern.io.FormatException;
import io.quern.io.Safetensors;
import io.quern.nn.Linear;
import io.quern.nn.Losses;
import io.quern.nn.Module;
import io.quern.optim.Adam;
import io.quern.optim.Optimizer;
import io.quern.optim.Schedule;
import io.quern.optim.Sgd;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class CheckpointTest {
  @TempDir Path directory;

  private Path file() {
    return directory.resolve("checkpoint.safetensors");
  }

  private static Trainer.Builder trainer(
      Module model, Function<Map<String, Tensor>, Optimizer> optimizer) {
    return Trainer.builder(model, optimizer.apply(model.parameters()), Losses::crossEntropy)
        .schedule(Schedule.cosine(0.05, 20).warmUp(3))
        .clipNorm(1)
        .seed(7);
  }

  private static List<Batch> data(long epoch) {
    return List.of(
        TinyData.xor(10 * epoch, 8),
        TinyData.xor(10 * epoch + 1, 8),
        TinyData.xor(10 * epoch + 2, 8));
  }

  private static Function<Map<String, Tensor>, Optimizer> optimizer(String name) {
    return switch (name) {
      case "sgd" -> p -> Sgd.builder(p, 0.1).momentum(0.9).build();
      case "plain" -> p -> Sgd.of(p, 0.1);
      default -> p -> Adam.adamW(p, 0.1, 0.01);
    };
  }

  @ParameterizedTest
  @ValueSource(strings = {"adamw", "sgd", "plain"})
  void resumingGivesTheSameBitsAsGoingStraightOn(String name) {
    Module straight = TinyData.stateful(1);
    trainer(straight, optimizer(name)).epochs(2).build().fit(CheckpointTest::data);

    Module first = TinyData.stateful(1);
    trainer(first, optimizer(name)).epochs(1).checkpoint(file()).build().fit(CheckpointTest::data);

    // Other initial weights and another seed, as a new process would not even have to know them.
    Module second = TinyData.stateful(99);
    Trainer resumed = trainer(second, optimizer(name)).seed(1234).epochs(2).build();
    resumed.resume(file());
    assertThat(resumed.progress()).isEqualTo(new Progress(1, 0, 3));
    assertThat(resumed.fit(CheckpointTest::data)).hasSize(1);
    assertThat(TrainerTest.bits(second)).isEqualTo(TrainerTest.bits(straight));
  }

  @ParameterizedTest
  @CsvSource({"1", "2", "4", "5"})
  void resumingInTheMiddleOfAnEpochGivesTheSameBits(int stopAt) {
    Module straight = TinyData.stateful(1);
    trainer(straight, optimizer("adamw")).epochs(2).build().fit(CheckpointTest::data);

    Module first = TinyData.stateful(1);
    Trainer[] interrupted = new Trainer[1];
    interrupted[0] =
        trainer(first, optimizer("adamw"))
            .epochs(2)
            .checkpoint(file(), 1)
            .listener(
                new TrainListener() {
                  @Override
                  public void stepDone(StepResult result) {
                    if (result.progress().step() > stopAt) {
                      throw new IllegalStateException("power cut");
                    }
                  }
                })
            .build();
    assertThatThrownBy(() -> interrupted[0].fit(CheckpointTest::data)).hasMessage("power cut");

    Module second = TinyData.stateful(99);
    Trainer resumed = trainer(second, optimizer("adamw")).epochs(2).build();
    resumed.resume(file());
    assertThat(resumed.progress().step()).isEqualTo(stopAt);
    resumed.fit(CheckpointTest::data);
    assertThat(TrainerTest.bits(second)).isEqualTo(TrainerTest.bits(straight));
  }

  @Test
  void oneFileHoldsEverythingUnderReadableNames() {
    Module model = TinyData.stateful(1);
    Optimizer adam = Adam.of(model.parameters(), 0.125);
    Checkpoint.save(file(), model, adam, new Progress(2, 3, 11), new Rng.State(-5, 1L << 62));
    Map<String, Tensor> tensors = Safetensors.read(file());
    assertThat(tensors)
        .containsKeys("model.0.weight", "model.1.running_var", "optimizer.m.0.weight");
    assertThat(tensors).hasSize(6 + 3 + 12);
    Checkpoint again = Checkpoint.load(file());
    assertThat(again.progress()).isEqualTo(new Progress(2, 3, 11));
    assertThat(again.rng()).isEqualTo(new Rng.State(-5, 1L << 62));
    Optimizer other = Adam.of(model.parameters(), 1);
    again.restore(model, other);
    assertThat(other.learningRate()).isEqualTo(0.125);
  }

  @Test
  void aCheckpointOfSomethingElseIsRefusedWhole() {
    Module model = Linear.of(2, 3, Rng.of(1));
    Checkpoint.save(
        file(), model, Sgd.of(model.parameters(), 0.1), Progress.START, new Rng.State(0, 0));
    Checkpoint checkpoint = Checkpoint.load(file());
    Module other = Linear.of(2, 4, false, Rng.of(2));
    byte[] before = TrainerTest.bits(other);
    Optimizer adam = Adam.of(other.parameters(), 0.1);
    assertThatThrownBy(() -> checkpoint.restore(other, adam))
        .isInstanceOf(FormatException.class)
        .hasMessageStartingWith(file() + ": the checkpoint does not fit: ")
        .hasMessageContaining("model tensor weight: expected F32[4, 2], found F32[3, 2]")
        .hasMessageContaining("model tensor bias is unexpected")
        .hasMessageContaining("optimiser tensor m.weight is missing")
        .hasMessageContaining(
            "the optimiser was sgd{momentum=0.0, nesterov=false, weightDecay=0.0}");
    assertThat(TrainerTest.bits(other)).isEqualTo(before);
    Optimizer slower = Sgd.builder(model.parameters(), 0.1).weightDecay(0.5).build();
    assertThatThrownBy(() -> checkpoint.restore(model, slower))
        .hasMessageContaining("weightDecay=0.5");
  }

  @Test
  void resumingInMixedPrecisionGivesTheSameBits() {
    Function<Map<String, Tensor>, Optimizer> adam = optimizer("adamw");
    Module straight = TinyData.stateful(1);
    trainer(straight, adam).precision(DType.BF16).epochs(2).build().fit(CheckpointTest::data);
    Module first = TinyData.stateful(1);
    trainer(first, adam).precision(DType.BF16).checkpoint(file()).build().fit(CheckpointTest::data);
    Module second = TinyData.stateful(99);
    Trainer resumed = trainer(second, adam).precision(DType.BF16).epochs(2).build();
    resumed.resume(file());
    resumed.fit(CheckpointTest::data);
    assertThat(TrainerTest.bits(second)).isEqualTo(TrainerTest.bits(straight));
  }

  @Test
  void aCheckpointOfAnotherPrecisionIsRefused() {
    Module model = TinyData.plain(1);
    Trainer mixed = trainer(model, optimizer("plain")).precision(DType.BF16).build();
    mixed.saveCheckpoint(file());
    assertThat(Checkpoint.load(file()).precision()).contains(DType.BF16);
    Module other = TinyData.plain(2);
    byte[] before = TrainerTest.bits(other);
    Trainer usual = trainer(other, optimizer("plain")).build();
    assertThatThrownBy(() -> usual.resume(file()))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("the precision was BF16, found that of the weights");
    assertThat(TrainerTest.bits(other)).isEqualTo(before);
    usual.saveCheckpoint(file());
    assertThat(Checkpoint.load(file()).precision()).isEmpty();
    assertThatThrownBy(() -> mixed.resume(file()))
        .hasMessageContaining("the precision was that of the weights, found BF16");
  }

  @Test
  void aFileThatIsNoCheckpointIsRefused() {
    Safetensors.write(file(), Map.of("x", Tensor.ones(1)), Map.of());
    assertThatThrownBy(() -> Checkpoint.load(file()))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("is no checkpoint, it lacks metadata quern.checkpoint");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{",
        "[]",
        "{}",
        "{\"epoch\":\"1\"}",
        "{\"epoch\":99999999999,\"batch\":0,\"step\":0}",
        "{\"epoch\":-1,\"batch\":0,\"step\":0}",
        "{\"epoch\":1,\"batch\":0,\"step\":0,\"rngSeed\":1,\"rngCounter\":1,\"optimizer\":\"sgd\","
            + "\"optimizerSteps\":0,\"learningRate\":0.1,\"settings\":[]}",
        "{\"epoch\":1,\"batch\":0,\"step\":0,\"rngSeed\":1,\"rngCounter\":1,\"optimizer\":\"sgd\","
            + "\"optimizerSteps\":0,\"learningRate\":0.1,\"settings\":{},\"precision\":\"B16\"}"
      })
  void malformedMetadataIsRefused(String json) {
    Safetensors.write(file(), Map.of(), Map.of("quern.checkpoint", json));
    assertThatThrownBy(() -> Checkpoint.load(file()))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("metadata quern.checkpoint is malformed");
  }

  @Test
  void fewerDataThanBeforeIsNoticed() {
    Module model = TinyData.plain(1);
    Optimizer sgd = Sgd.of(model.parameters(), 0.1);
    Checkpoint.save(file(), model, sgd, new Progress(0, 3, 3), new Rng.State(0, 0));
    Trainer trainer = Trainer.builder(model, sgd, Losses::crossEntropy).build();
    trainer.resume(file());
    assertThatThrownBy(() -> trainer.fit(TinyData.list(2, 4)))
        .hasMessageContaining("was written after batch 3 of its epoch, but the data has only 2");
  }
}
