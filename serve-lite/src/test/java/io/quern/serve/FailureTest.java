package io.quern.serve;

import static io.quern.serve.TestModels.INPUTS;
import static io.quern.serve.TestModels.direct;
import static io.quern.serve.TestModels.example;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.quern.DType;
import io.quern.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class FailureTest {
  private static final float POISON = 77;

  private final UnaryOperator<Tensor> linear = TestModels.linear();

  /** Fails on a batch with a poisoned example. */
  private Tensor allergic(Tensor batch) {
    for (float element : batch.toFloatArray()) {
      if (element == POISON) {
        throw new ArithmeticException("poison");
      }
    }
    return linear.apply(batch);
  }

  @Test
  void onlyTheCulpritOfAFailedBatchGetsTheError() {
    try (ModelHandle handle =
        ModelHandle.of(TestModels.slow(this::allergic, 10), DType.F32, INPUTS)) {
      List<CompletableFuture<float[]>> futures = new ArrayList<>();
      for (int i = 0; i < 40; i++) {
        float[] example = example(i);
        if (i == 17) {
          example[3] = POISON;
        }
        futures.add(handle.submit(example));
      }
      for (int i = 0; i < 40; i++) {
        CompletableFuture<float[]> future = futures.get(i);
        if (i == 17) {
          assertThatThrownBy(future::join)
              .isInstanceOf(CompletionException.class)
              .cause()
              .isInstanceOf(ModelFailedException.class)
              .hasMessageContaining("poison")
              .hasCauseInstanceOf(ArithmeticException.class);
        } else {
          assertThat(future.join()).isEqualTo(direct(linear, example(i)));
        }
      }
      assertThat(handle.metrics().failed()).isEqualTo(1);
      assertThat(handle.metrics().ok()).isEqualTo(39);
    }
  }

  @Test
  void aBlockedCallerGetsTheCauseAndItsOwnStackTrace() {
    try (ModelHandle handle = ModelHandle.of(this::allergic, DType.F32, INPUTS)) {
      float[] poisoned = example(0);
      poisoned[0] = POISON;
      assertThatThrownBy(() -> handle.predict(poisoned))
          .isInstanceOf(ModelFailedException.class)
          .hasCauseInstanceOf(ArithmeticException.class)
          .hasStackTraceContaining("FailureTest");
      assertThat(handle.predict(example(1))).isEqualTo(direct(linear, example(1)));
    }
  }

  @Test
  void errorsAndInterruptsOfTheModelDoNotEndTheHandle() {
    int[] call = {0};
    UnaryOperator<Tensor> wild =
        batch ->
            switch (call[0]++) {
              case 0 -> throw new StackOverflowError("deep");
              case 1 -> throw new OutOfMemoryError("wide");
              case 2 -> {
                Thread.currentThread().interrupt();
                throw new IllegalStateException("interrupted");
              }
              default -> linear.apply(batch);
            };
    try (ModelHandle handle = ModelHandle.builder(wild, DType.F32, INPUTS).warmUp(false).build()) {
      for (String message : List.of("deep", "wide", "interrupted")) {
        assertThatThrownBy(() -> handle.predict(example(0)))
            .isInstanceOf(ModelFailedException.class)
            .hasMessageContaining(message);
      }
      assertThat(handle.predict(example(5))).isEqualTo(direct(linear, example(5)));
    }
  }

  @Test
  void aModelThatLosesRowsFails() {
    UnaryOperator<Tensor> lossy =
        batch -> batch.dim(0) > 1 ? batch.slice(0, 0, 1) : batch.reshape(2, INPUTS / 2);
    try (ModelHandle handle = ModelHandle.builder(lossy, DType.F32, INPUTS).warmUp(false).build()) {
      assertThatThrownBy(() -> handle.predict(example(0)))
          .hasMessageContaining("expected a row for each of 1 examples F32[16], found F32[2, 8]");
    }
  }

  @Test
  void aModelThatAsksItsOwnHandleIsToldSo() {
    ModelHandle[] self = new ModelHandle[1];
    UnaryOperator<Tensor> recursive =
        batch -> {
          self[0].predict(new float[INPUTS]);
          return batch;
        };
    try (ModelHandle handle =
        ModelHandle.builder(recursive, DType.F32, INPUTS).warmUp(false).build()) {
      self[0] = handle;
      assertThatThrownBy(() -> handle.predict(example(0)))
          .isInstanceOf(ModelFailedException.class)
          .hasMessageContaining("its own handle");
    }
  }

  @Test
  void aCallbackThatThrowsOrBlocksHoldsUpNobody() throws Exception {
    CountDownLatch attached = new CountDownLatch(1);
    UnaryOperator<Tensor> gated =
        batch -> {
          try {
            attached.await();
          } catch (InterruptedException e) {
            throw new IllegalStateException(e);
          }
          return linear.apply(batch);
        };
    try (ModelHandle handle = ModelHandle.builder(gated, DType.F32, INPUTS).warmUp(false).build()) {
      CompletableFuture<Void> never = new CompletableFuture<>();
      CompletableFuture<Void> blocked =
          handle.submit(example(0)).thenAccept(result -> never.join());
      CompletableFuture<Void> broken =
          handle
              .submit(example(1))
              .thenAccept(
                  result -> {
                    throw new IllegalStateException("callback");
                  });
      attached.countDown();
      assertThat(handle.predict(example(2))).isEqualTo(direct(linear, example(2)));
      assertThat(blocked).isNotDone();
      never.complete(null);
      blocked.get();
      assertThatThrownBy(broken::join).hasRootCauseMessage("callback");
    }
  }

  /** Its requests end all the same, on the model's thread. */
  @Test
  void anExecutorThatFailsHoldsUpNobody() {
    try (ModelHandle handle =
        ModelHandle.builder(linear, DType.F32, INPUTS)
            .executor(
                task -> {
                  throw new IllegalStateException("the pool is broken");
                })
            .build()) {
      for (int i = 0; i < 5; i++) {
        assertThat(handle.submit(example(i)).join()).isEqualTo(direct(linear, example(i)));
      }
    }
    assertThatThrownBy(() -> ModelHandle.builder(linear, DType.F32, INPUTS).executor(null))
        .isInstanceOf(NullPointerException.class)
        .hasMessage("model handle: the executor");
  }
}
