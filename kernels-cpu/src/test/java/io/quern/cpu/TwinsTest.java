package io.quern.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The faster one of two comes in when it is right and faster, and not otherwise. */
class TwinsTest {
  private record Worker(long result, int millis) {
    long work() {
      try {
        Thread.sleep(millis);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
      return result;
    }
  }

  private static Twins<Worker> twins(Worker ready, Worker compiled) {
    return Twins.warming("a test", () -> ready, () -> compiled, Worker::work);
  }

  @Test
  void theFasterOneComesIn() {
    Worker compiled = new Worker(1, 0);
    Twins<Worker> twins = twins(new Worker(1, 20), compiled);
    assertThat(twins.await()).isTrue();
    assertThat(twins.get()).isSameAs(compiled);
  }

  @Test
  void theFirstOneServesMeanwhile() {
    Worker ready = new Worker(1, 100);
    assertThat(twins(ready, new Worker(1, 0)).get()).isSameAs(ready);
  }

  @Test
  void otherResultsKeepItOut() {
    Worker ready = new Worker(1, 5);
    Twins<Worker> twins = twins(ready, new Worker(2, 0));
    assertThat(twins.await()).isFalse();
    assertThat(twins.get()).isSameAs(ready);
  }

  @Test
  void oneThatCannotBeMadeKeepsTheFirst() {
    Worker ready = new Worker(1, 0);
    Twins<Worker> twins =
        Twins.warming(
            "a test",
            () -> ready,
            () -> {
              throw new IllegalStateException("made to fail");
            },
            Worker::work);
    assertThat(twins.await()).isFalse();
    assertThat(twins.get()).isSameAs(ready);
  }

  @Test
  @Timeout(value = 30, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
  void oneThatRunsOutOfMemoryKeepsTheFirst() {
    Worker ready = new Worker(1, 0);
    Twins<Worker> twins =
        Twins.warming(
            "a test",
            () -> ready,
            () -> new Worker(1, 0),
            worker -> {
              throw new OutOfMemoryError("made to fail");
            });
    assertThat(twins.await()).isFalse();
    assertThat(twins.get()).isSameAs(ready);
  }

  /** Its code is there only after the time that the first decision waits. */
  @Test
  void oneThatIsLateComesInLater() throws InterruptedException {
    Worker ready = new Worker(1, 2);
    Worker late = new Worker(1, 4);
    AtomicBoolean isCompiled = new AtomicBoolean();
    Twins<Worker> twins =
        Twins.warming(
            "a test",
            () -> ready,
            () -> late,
            worker -> worker.equals(late) && isCompiled.get() ? 1 : worker.work(),
            Duration.ofMillis(50));
    assertThat(twins.await()).isFalse();
    assertThat(twins.get()).isSameAs(ready);
    isCompiled.set(true);
    long deadline = System.nanoTime() + Duration.ofSeconds(60).toNanos();
    while (twins.get().equals(ready) && System.nanoTime() < deadline) {
      Thread.sleep(10);
    }
    assertThat(twins.get()).isSameAs(late);
  }
}
