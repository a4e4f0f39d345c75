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
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class LifecycleTest {
  private final UnaryOperator<Tensor> model = TestModels.linear();

  @Test
  void closeAnswersWhatWaitsThenRefuses() {
    ModelHandle handle =
        ModelHandle.builder(TestModels.slow(model, 3), DType.F32, INPUTS).maxBatch(2).build();
    List<CompletableFuture<float[]>> futures = new ArrayList<>();
    for (int i = 0; i < 20; i++) {
      futures.add(handle.submit(example(i)));
    }
    handle.close();
    for (int i = 0; i < 20; i++) {
      assertThat(futures.get(i).join()).isEqualTo(direct(model, example(i)));
    }
    assertThatThrownBy(() -> handle.predict(example(0)))
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("quern-serve: the model handle was closed");
    assertThatThrownBy(() -> handle.submit(example(0))).isInstanceOf(IllegalStateException.class);
    assertThat(handle.metrics().ok()).isEqualTo(20);
  }

  @Test
  void closeEndsTheThreadAndMayBeRepeated() {
    for (int i = 0; i < 50; i++) {
      ModelHandle handle =
          ModelHandle.builder(model, DType.F32, INPUTS).name("ending-" + i).build();
      if (i % 2 == 0) {
        handle.predict(example(i));
      }
      handle.close();
      handle.close();
    }
    assertThat(Thread.getAllStackTraces().keySet())
        .extracting(Thread::getName)
        .noneMatch(name -> name.startsWith("ending-"));
  }

  @Test
  void manyThreadsMayClose() throws Exception {
    ModelHandle handle = ModelHandle.of(TestModels.slow(model, 20), DType.F32, INPUTS);
    CompletableFuture<float[]> last = handle.submit(example(1));
    Load.run(8, 1, Thread.ofPlatform().factory(), (caller, number) -> handle.close());
    assertThat(last.join()).isEqualTo(direct(model, example(1)));
  }

  @Test
  void anInterruptedCallerTakesItsRequestBack() throws Exception {
    CountDownLatch running = new CountDownLatch(1);
    CountDownLatch proceed = new CountDownLatch(1);
    UnaryOperator<Tensor> gated =
        batch -> {
          running.countDown();
          try {
            proceed.await();
          } catch (InterruptedException e) {
            throw new IllegalStateException(e);
          }
          return model.apply(batch);
        };
    try (ModelHandle handle = ModelHandle.builder(gated, DType.F32, INPUTS).warmUp(false).build()) {
      CompletableFuture<float[]> first = handle.submit(example(0));
      running.await();
      CompletableFuture<Boolean> flag = new CompletableFuture<>();
      Thread caller =
          Thread.ofVirtual()
              .start(
                  () -> {
                    try {
                      handle.predict(example(1));
                    } catch (CancellationException e) {
                      flag.complete(Thread.currentThread().isInterrupted());
                    }
                  });
      caller.interrupt();
      assertThat(flag.join()).isTrue();
      CompletableFuture<float[]> cancelled = handle.submit(example(2));
      assertThat(cancelled.cancel(false)).isTrue();
      proceed.countDown();
      assertThat(first.join()).isEqualTo(direct(model, example(0)));
      assertThat(handle.predict(example(3))).isEqualTo(direct(model, example(3)));
      assertThat(handle.metrics().cancelled()).isEqualTo(2);
      assertThat(handle.metrics().ok()).isEqualTo(2);
    }
  }

  @Test
  void anInterruptedCloseStillDrains() {
    ModelHandle handle = ModelHandle.of(TestModels.slow(model, 20), DType.F32, INPUTS);
    CompletableFuture<float[]> last = handle.submit(example(1));
    Thread.currentThread().interrupt();
    handle.close();
    assertThat(Thread.interrupted()).isTrue();
    assertThat(last.join()).isEqualTo(direct(model, example(1)));
  }

  @Test
  void theModelMayCloseItsOwnHandle() {
    ModelHandle[] self = new ModelHandle[1];
    UnaryOperator<Tensor> last =
        batch -> {
          self[0].close();
          return model.apply(batch);
        };
    try (ModelHandle handle = ModelHandle.builder(last, DType.F32, INPUTS).warmUp(false).build()) {
      self[0] = handle;
      assertThat(handle.predict(example(0))).isEqualTo(direct(model, example(0)));
      assertThatThrownBy(() -> handle.predict(example(0)))
          .isInstanceOf(IllegalStateException.class);
    }
  }

  @Test
  void anInterruptFromOutsideDoesNotEndTheHandle() {
    try (ModelHandle handle = ModelHandle.builder(model, DType.F32, INPUTS).name("tough").build()) {
      for (int i = 0; i < 200; i++) {
        Thread.getAllStackTraces().keySet().stream()
            .filter(thread -> thread.getName().equals("tough"))
            .forEach(Thread::interrupt);
        assertThat(handle.predict(example(i))).isEqualTo(direct(model, example(i)));
      }
    }
  }
}
