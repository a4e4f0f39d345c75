package io.quern.serve;

import static io.quern.serve.TestModels.INPUTS;
import static io.quern.serve.TestModels.direct;
import static io.quern.serve.TestModels.example;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.TensorScope;
import io.quern.grad.Tape;
import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class ModelHandleTest {
  private final UnaryOperator<Tensor> model = TestModels.linear();

  @Test
  void everyWayOfAskingGivesTheDirectResult() {
    try (ModelHandle handle = ModelHandle.of(model, DType.F32, INPUTS)) {
      float[] example = example(1);
      float[] expected = direct(model, example);
      assertThat(handle.predict(example)).isEqualTo(expected);
      assertThat(handle.submit(example).join()).isEqualTo(expected);
      Tensor tensor = Tensor.of(example, INPUTS);
      assertThat(handle.predict(tensor).toFloatArray()).isEqualTo(expected);
      assertThat(handle.submit(tensor).join().toFloatArray()).isEqualTo(expected);
    }
  }

  @Test
  void examplesOfAnyDTypeAndRankAndScalarResultsAreServed() {
    UnaryOperator<Tensor> sum = batch -> batch.to(DType.I64).flatten(1).sum(1);
    try (ModelHandle handle = ModelHandle.of(sum, DType.U8, 2, 3)) {
      Tensor result = handle.predict(Tensor.ofBytes(new byte[] {1, 2, 3, 4, 5, (byte) 200}, 2, 3));
      assertThat(result.shape()).isEqualTo(Shape.scalar());
      assertThat(result.dtype()).isEqualTo(DType.I64);
      assertThat(result.item()).isEqualTo(215);
    }
  }

  @Test
  void anExampleOfAnotherShapeOrDTypeIsRefusedAtOnce() {
    try (ModelHandle handle = ModelHandle.builder(model, DType.F32, INPUTS).name("shop").build()) {
      assertThatThrownBy(() -> handle.predict(new float[3]))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("shop: expected one example F32[16], found float[3]");
      assertThatThrownBy(() -> handle.submit(Tensor.zeros(1, INPUTS)))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("shop: expected one example F32[16], found F32[1, 16]");
      assertThatThrownBy(() -> handle.predict(Tensor.zeros(INPUTS).to(DType.F64)))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("shop: expected one example F32[16], found F64[16]");
      assertThat(handle.metrics().invalid()).isEqualTo(3);
      assertThat(handle.metrics().ok()).isZero();
    }
  }

  @Test
  void aFloatArrayIsRefusedByAModelOfAnotherDType() {
    try (ModelHandle handle = ModelHandle.of(batch -> batch.to(DType.F32), DType.U8, INPUTS)) {
      assertThatThrownBy(() -> handle.predict(new float[INPUTS]))
          .hasMessage("quern-serve: expected one example U8[16], found float[16]");
    }
  }

  @Test
  void aClosedTensorIsItsCallersError() {
    try (ModelHandle handle = ModelHandle.of(model, DType.F32, INPUTS)) {
      Tensor closed = Tensor.zeros(INPUTS);
      closed.close();
      assertThatThrownBy(() -> handle.submit(closed)).isInstanceOf(IllegalStateException.class);
      assertThat(handle.predict(example(3))).isEqualTo(direct(model, example(3)));
    }
  }

  @Test
  void whatIsSubmittedMayBeOverwrittenAtOnce() {
    try (ModelHandle handle = ModelHandle.of(TestModels.slow(model, 5), DType.F32, INPUTS)) {
      float[] example = example(2);
      float[] expected = direct(model, example);
      CompletableFuture<float[]> first = handle.submit(example);
      CompletableFuture<float[]> second = handle.submit(example);
      Arrays.fill(example, 9);
      assertThat(first.join()).isEqualTo(expected);
      assertThat(second.join()).isEqualTo(expected);
    }
  }

  @Test
  void predictedTensorsBelongToTheCallersScope() {
    try (ModelHandle handle = ModelHandle.of(model, DType.F32, INPUTS)) {
      Tensor result;
      try (TensorScope _ = TensorScope.open()) {
        result = handle.predict(Tensor.of(example(1), INPUTS));
        assertThat(result.isClosed()).isFalse();
      }
      assertThat(result.isClosed()).isTrue();
    }
  }

  @Test
  void theModelRunsWithoutRecordingAndItsTensorsAreClosed() {
    Tensor[] seen = new Tensor[1];
    AtomicBoolean recorded = new AtomicBoolean();
    UnaryOperator<Tensor> spy =
        batch -> {
          seen[0] = batch;
          recorded.set(Tape.isRecording());
          return model.apply(batch);
        };
    try (ModelHandle handle = ModelHandle.of(spy, DType.F32, INPUTS)) {
      handle.predict(example(1));
      assertThat(recorded).isFalse();
      assertThat(seen[0].isClosed()).isTrue();
    }
  }

  @Test
  void warmUpShowsThatModelAndExampleDoNotFit() {
    assertThatThrownBy(() -> ModelHandle.of(model, DType.F32, 5))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("model handle: the model fails on a batch of 1 examples F32[5]")
        .hasMessageContaining("matmul");
    assertThatThrownBy(() -> ModelHandle.of(batch -> batch.sum(0), DType.F32, INPUTS))
        .hasMessageContaining("expected a row for each of 1 examples F32[16], found F32[16]");
  }

  @Test
  void optionsOutOfRangeAreRefused() {
    ModelHandle.Builder builder = ModelHandle.builder(model, DType.F32, INPUTS);
    assertThatThrownBy(() -> builder.maxBatch(0))
        .hasMessage("model handle: maxBatch must be 1 or more, found 0");
    assertThatThrownBy(() -> builder.maxBatch(1 << 30)).hasMessageContaining("below 2 GiB");
    assertThatThrownBy(() -> builder.maxDelay(Duration.ofMillis(-1)))
        .hasMessageContaining("maxDelay must be 0 to 1 h");
    assertThatThrownBy(() -> builder.queueCapacity(0)).hasMessageContaining("queueCapacity");
  }

  @Test
  void metricsAddUpAndPercentilesAreOrdered() {
    try (ModelHandle handle = ModelHandle.of(TestModels.slow(model, 2), DType.F32, INPUTS)) {
      assertThat(handle.metrics().p99()).isZero();
      for (int i = 0; i < 50; i++) {
        handle.predict(example(i));
      }
      handle.metrics();
      ServeMetrics metrics = handle.metrics();
      assertThat(metrics.ok()).isEqualTo(50);
      assertThat(metrics.batches()).isEqualTo(50);
      assertThat(metrics.meanBatch()).isEqualTo(1);
      assertThat(metrics.p50()).isGreaterThanOrEqualTo(Duration.ofMillis(2));
      assertThat(metrics.p99()).isGreaterThanOrEqualTo(metrics.p50());
      assertThat(metrics.p999()).isGreaterThanOrEqualTo(metrics.p99());
      assertThat(metrics.max()).isGreaterThanOrEqualTo(metrics.p999());
      assertThat(metrics.perSecond()).isBetween(1.0, 500.0);
      assertThat(metrics.toTable())
          .contains("50 ok, 0 failed")
          .contains("p99.9 ")
          .contains("mean size 1.0");
    }
  }
}
