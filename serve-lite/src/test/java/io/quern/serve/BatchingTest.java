package io.quern.serve;

import static io.quern.serve.TestModels.INPUTS;
import static io.quern.serve.TestModels.direct;
import static io.quern.serve.TestModels.example;
import static org.assertj.core.api.Assertions.assertThat;

import io.quern.DType;
import io.quern.Tensor;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class BatchingTest {
  private final UnaryOperator<Tensor> model = TestModels.linear();

  @Test
  void requestsThatComeWhileTheModelRunsShareTheNextBatch() throws Exception {
    try (ModelHandle handle = ModelHandle.of(TestModels.slow(model, 2), DType.F32, INPUTS)) {
      Load.run(16, 50, Thread.ofPlatform().factory(), (caller, i) -> handle.predict(example(i)));
      ServeMetrics metrics = handle.metrics();
      assertThat(metrics.ok()).isEqualTo(16 * 50);
      assertThat(metrics.meanBatch()).isGreaterThan(8);
      assertThat(metrics.largestBatch()).isLessThanOrEqualTo(16);
    }
  }

  @Test
  void aBatchIsNeverLargerThanAllowed() {
    List<Long> sizes = Collections.synchronizedList(new ArrayList<>());
    UnaryOperator<Tensor> spy =
        batch -> {
          sizes.add(batch.dim(0));
          return TestModels.slow(model, 1).apply(batch);
        };
    try (ModelHandle handle = ModelHandle.builder(spy, DType.F32, INPUTS).maxBatch(5).build()) {
      List<CompletableFuture<float[]>> futures = new ArrayList<>();
      for (int i = 0; i < 200; i++) {
        futures.add(handle.submit(example(i)));
      }
      futures.forEach(CompletableFuture::join);
    }
    assertThat(sizes).contains(5L).allMatch(size -> size <= 5);
  }

  @Test
  void aLoneCallerNeverWaitsForCompany() {
    try (ModelHandle handle =
        ModelHandle.builder(model, DType.F32, INPUTS).maxDelay(Duration.ofSeconds(2)).build()) {
      for (int i = 0; i < 200; i++) {
        handle.predict(example(i));
      }
      assertThat(handle.metrics().max()).isLessThan(Duration.ofSeconds(1));
    }
  }

  @Test
  void afterABurstALoneCallerWaitsOnceAtMost() throws Exception {
    Duration delay = Duration.ofMillis(300);
    try (ModelHandle handle =
        ModelHandle.builder(TestModels.slow(model, 2), DType.F32, INPUTS).maxDelay(delay).build()) {
      Load.run(8, 20, Thread.ofPlatform().factory(), (caller, i) -> handle.predict(example(i)));
      int slow = 0;
      for (int i = 0; i < 20; i++) {
        long start = System.nanoTime();
        handle.predict(example(i));
        slow += System.nanoTime() - start >= delay.toNanos() ? 1 : 0;
      }
      assertThat(slow).isLessThanOrEqualTo(1);
    }
  }

  @Test
  void resultsDoNotDependOnTheBatch() {
    try (ModelHandle handle =
        ModelHandle.builder(TestModels.slow(model, 1), DType.F32, INPUTS).maxBatch(7).build()) {
      List<CompletableFuture<float[]>> futures = new ArrayList<>();
      for (int i = 0; i < 300; i++) {
        futures.add(handle.submit(example(i)));
      }
      for (int i = 0; i < 300; i++) {
        assertThat(futures.get(i).join()).isEqualTo(direct(model, example(i)));
      }
    }
  }

  @Test
  void anIdleHandleUsesNoProcessorTime() throws Exception {
    try (ModelHandle handle =
        ModelHandle.builder(model, DType.F32, INPUTS).name("idle-handle").build()) {
      handle.predict(example(0));
      Thread.sleep(50);
      long before = cpuNanos("idle-handle");
      Thread.sleep(500);
      assertThat(cpuNanos("idle-handle") - before).isLessThan(5_000_000);
      assertThat(handle.predict(example(1))).isEqualTo(direct(model, example(1)));
    }
  }

  private static long cpuNanos(String name) {
    return Thread.getAllStackTraces().keySet().stream()
        .filter(thread -> thread.getName().equals(name))
        .mapToLong(
            thread -> ManagementFactory.getThreadMXBean().getThreadCpuTime(thread.threadId()))
        .findFirst()
        .orElseThrow();
  }
}
