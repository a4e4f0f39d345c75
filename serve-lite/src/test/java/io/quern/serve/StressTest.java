package io.quern.serve;

import static io.quern.serve.TestModels.INPUTS;
import static io.quern.serve.TestModels.direct;
import static io.quern.serve.TestModels.example;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.quern.DType;
import io.quern.Tensor;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class StressTest {
  private static final int CALLERS = 32;
  private static final int CALLS = 2_000;
  private static final int DISTINCT = 500;

  private final UnaryOperator<Tensor> model = TestModels.linear();
  private final float[][] examples = new float[DISTINCT][];
  private final float[][] expected = new float[DISTINCT][];

  StressTest() {
    for (int i = 0; i < DISTINCT; i++) {
      examples[i] = example(i);
      expected[i] = direct(model, examples[i]);
    }
  }

  private static ThreadFactory threads(String kind) {
    return kind.equals("virtual") ? Thread.ofVirtual().factory() : Thread.ofPlatform().factory();
  }

  @ParameterizedTest
  @ValueSource(strings = {"platform", "virtual"})
  void eachOfManyCallersGetsItsOwnResults(String kind) throws Exception {
    try (ModelHandle handle = ModelHandle.of(model, DType.F32, INPUTS)) {
      Load.run(
          CALLERS,
          CALLS,
          threads(kind),
          (caller, number) -> {
            int which = (int) (number * 7919L % DISTINCT);
            assertThat(handle.predict(examples[which])).isEqualTo(expected[which]);
          });
      ServeMetrics metrics = handle.metrics();
      assertThat(metrics.ok()).isEqualTo(CALLERS * CALLS);
      assertThat(metrics.meanBatch()).isGreaterThan(1);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"platform", "virtual"})
  void wrongExamplesAndCancellationsAmongGoodOnesHurtNobodyElse(String kind) throws Exception {
    AtomicLong wrong = new AtomicLong();
    AtomicLong cancelled = new AtomicLong();
    try (ModelHandle handle = ModelHandle.builder(model, DType.F32, INPUTS).maxBatch(8).build()) {
      Load.run(
          CALLERS,
          CALLS / 4,
          threads(kind),
          (caller, number) -> {
            int which = number % DISTINCT;
            switch (number % 5) {
              case 0 -> {
                wrong.incrementAndGet();
                assertThatThrownBy(() -> handle.predict(new float[INPUTS + 1]))
                    .isInstanceOf(IllegalArgumentException.class);
              }
              case 1 -> {
                if (handle.submit(examples[which]).cancel(false)) {
                  cancelled.incrementAndGet();
                }
              }
              default -> assertThat(handle.predict(examples[which])).isEqualTo(expected[which]);
            }
          });
      handle.predict(examples[0]);
      ServeMetrics metrics = handle.metrics();
      assertThat(metrics.invalid()).isEqualTo(wrong.get());
      assertThat(metrics.failed()).isZero();
      assertThat(metrics.cancelled()).isLessThanOrEqualTo(cancelled.get());
      assertThat(metrics.ok() + metrics.cancelled())
          .isEqualTo(CALLERS * (CALLS / 4) - wrong.get() + 1);
    }
  }

  @Test
  void overloadIsRefusedAndTheRestIsAnswered() throws Exception {
    AtomicLong answered = new AtomicLong();
    AtomicLong refused = new AtomicLong();
    try (ModelHandle handle =
        ModelHandle.builder(TestModels.slow(model, 1), DType.F32, INPUTS)
            .name("small")
            .maxBatch(4)
            .queueCapacity(8)
            .build()) {
      Load.run(
          CALLERS,
          50,
          threads("virtual"),
          (caller, number) -> {
            int which = number % DISTINCT;
            try {
              assertThat(handle.predict(examples[which])).isEqualTo(expected[which]);
              answered.incrementAndGet();
            } catch (OverloadedException e) {
              assertThat(e).hasMessageContaining("small: 8 requests are waiting already");
              refused.incrementAndGet();
              Thread.sleep(1);
            }
          });
      assertThat(answered.get() + refused.get()).isEqualTo(CALLERS * 50);
      assertThat(refused).hasPositiveValue();
      assertThat(handle.metrics().ok()).isEqualTo(answered.get());
      assertThat(handle.metrics().rejected()).isEqualTo(refused.get());
      // What was refused leaves no trace: the whole queue can be used again.
      List<CompletableFuture<float[]>> futures =
          IntStream.range(0, 8).mapToObj(i -> handle.submit(examples[i])).toList();
      futures.forEach(CompletableFuture::join);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"platform", "virtual"})
  void closingUnderLoadAnswersOrRefusesEachRequestOnce(String kind) throws Exception {
    for (int round = 0; round < 25; round++) {
      AtomicLong ended = new AtomicLong();
      AtomicLong answered = new AtomicLong();
      AtomicLong refused = new AtomicLong();
      ModelHandle handle =
          ModelHandle.builder(model, DType.F32, INPUTS)
              .maxBatch(4)
              .maxDelay(Duration.ofMillis(round % 3))
              .executor(Runnable::run)
              .build();
      Thread closer =
          Thread.ofPlatform()
              .start(
                  () -> {
                    while (handle.metrics().ok() < 200) {
                      Thread.onSpinWait();
                    }
                    handle.close();
                  });
      Load.run(
          8,
          200,
          threads(kind),
          (caller, number) -> {
            int which = number % DISTINCT;
            try {
              if (number % 2 == 0) {
                assertThat(handle.predict(examples[which])).isEqualTo(expected[which]);
                ended.incrementAndGet();
              } else {
                var _ =
                    handle.submit(examples[which]).whenComplete((r, e) -> ended.incrementAndGet());
              }
              answered.incrementAndGet();
            } catch (IllegalStateException e) {
              assertThat(e).hasMessageContaining("closed");
              refused.incrementAndGet();
            }
          });
      closer.join();
      assertThat(answered.get() + refused.get()).isEqualTo(8 * 200);
      assertThat(ended.get()).isEqualTo(answered.get());
      assertThat(handle.metrics().ok()).isEqualTo(answered.get());
    }
  }

  @Test
  void virtualThreadsAreNotPinned(@TempDir Path folder) throws Exception {
    Path file = folder.resolve("pinned.jfr");
    try (Recording recording = new Recording();
        ModelHandle handle = ModelHandle.of(model, DType.F32, INPUTS)) {
      recording.enable("jdk.VirtualThreadPinned").withThreshold(Duration.ZERO).withStackTrace();
      recording.start();
      Load.run(
          200,
          10,
          threads("virtual"),
          (caller, number) -> handle.predict(examples[number % DISTINCT]));
      Load.run(1, 1, threads("virtual"), (caller, number) -> Pinning.touch());
      recording.stop();
      recording.dump(file);
    }
    List<String> pinned =
        RecordingFile.readAllEvents(file).stream().map(RecordedEvent::toString).toList();
    assertThat(pinned).noneMatch(event -> event.contains("ModelHandle"));
    assertThat(pinned).anyMatch(event -> event.contains("Pinning"));
  }

  /** Shows that the recording sees pinned threads: a class initializer pins. */
  private static final class Pinning {
    static {
      LockSupport.parkNanos(1_000_000);
    }

    static void touch() {}
  }
}
