package io.quern.loader;

import static io.quern.loader.Numbers.labels;
import static io.quern.loader.Numbers.range;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.quern.Batch;
import io.quern.Tensor;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BooleanSupplier;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class PrefetchTest {
  private static List<Thread> threads() {
    return Thread.getAllStackTraces().keySet().stream()
        .filter(thread -> thread.getName().equals("quern-prefetch"))
        .toList();
  }

  private static void await(String what, BooleanSupplier condition) {
    Instant deadline = Instant.now().plus(Duration.ofSeconds(20));
    while (!condition.getAsBoolean()) {
      assertThat(Instant.now()).as("still waiting: " + what).isBefore(deadline);
      try {
        Thread.sleep(5);
      } catch (InterruptedException e) {
        throw new AssertionError(e);
      }
    }
  }

  @AfterEach
  void everyThreadHasEnded() {
    await("threads end", () -> threads().isEmpty());
  }

  @Test
  void runsMapOnItsOwnThread() {
    List<String> names = Collections.synchronizedList(new ArrayList<>());
    Batches batches =
        Numbers.of(4)
            .batch(2)
            .map(
                batch -> {
                  names.add(Thread.currentThread().getName());
                  return batch;
                })
            .prefetch(1);

    assertThat(labels(batches)).isEqualTo(range(0, 4));
    assertThat(names).containsExactly("quern-prefetch", "quern-prefetch");
  }

  @Test
  void makesNoMoreThanItsDepthAhead() {
    AtomicInteger made = new AtomicInteger();
    try (BatchIterator batches =
        Numbers.of(100).batch(1).map(counting(made)).prefetch(3).iterator()) {
      await("3 batches are ahead", () -> made.get() == 3);
      await("the thread sleeps", PrefetchTest::allWait);
      assertThat(made).hasValue(3);

      batches.next();
      await("1 more is made", () -> made.get() == 4);
      await("the thread sleeps", PrefetchTest::allWait);
      assertThat(made).hasValue(4);
    }
  }

  private static UnaryOperator<Batch> counting(AtomicInteger counter) {
    return batch -> {
      counter.incrementAndGet();
      return batch;
    };
  }

  private static boolean allWait() {
    return threads().stream().allMatch(thread -> thread.getState() == Thread.State.WAITING);
  }

  @Test
  void sleepsWhileItIsAhead() throws InterruptedException {
    AtomicInteger made = new AtomicInteger();
    try (BatchIterator batches =
        Numbers.of(100).batch(1).map(counting(made)).prefetch(2).iterator()) {
      await("2 batches are ahead", () -> made.get() == 2);
      await("the thread sleeps", PrefetchTest::allWait);
      long id = threads().getFirst().threadId();
      long before = ManagementFactory.getThreadMXBean().getThreadCpuTime(id);
      Thread.sleep(300);
      long spent = ManagementFactory.getThreadMXBean().getThreadCpuTime(id) - before;

      assertThat(Duration.ofNanos(spent)).isLessThan(Duration.ofMillis(20));
      assertThat(batches.hasNext()).isTrue();
    }
  }

  @Test
  void closeEndsTheThreadAndClosesBatchesMadeAhead() {
    List<Tensor> made = Collections.synchronizedList(new ArrayList<>());
    BatchIterator batches =
        Numbers.of(100)
            .batch(1)
            .map(
                batch -> {
                  made.add(batch.input());
                  return batch;
                })
            .prefetch(3)
            .iterator();
    Batch taken = batches.next();
    assertThat(batches.hasNext()).isTrue();
    batches.close();

    assertThat(threads()).isEmpty();
    assertThat(batches.hasNext()).isFalse();
    assertThatThrownBy(batches::next).isInstanceOf(NoSuchElementException.class);
    assertThat(taken.input().isClosed()).isFalse();
    assertThat(made).first().isSameAs(taken.input());
    assertThat(made.subList(1, made.size())).isNotEmpty().allMatch(Tensor::isClosed);
    batches.close();
  }

  @Test
  void closeWaitsForTheBatchInTheMaking() throws InterruptedException {
    CountDownLatch started = new CountDownLatch(1);
    CountDownLatch goOn = new CountDownLatch(1);
    BatchIterator batches =
        Numbers.of(100)
            .batch(1)
            .map(
                batch -> {
                  started.countDown();
                  waitFor(goOn);
                  return batch;
                })
            .prefetch(3)
            .iterator();
    started.await();
    Thread closer = Thread.ofPlatform().start(batches::close);
    await("close waits", () -> closer.getState() == Thread.State.WAITING);
    goOn.countDown();
    closer.join();

    assertThat(threads()).isEmpty();
  }

  private static void waitFor(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new IllegalStateException("interrupted", e);
    }
  }

  @Test
  void aForgottenIteratorEndsItsThread() {
    abandon();

    await(
        "threads end",
        () -> {
          System.gc();
          return threads().isEmpty();
        });
  }

  private static void abandon() {
    for (Batch batch : Numbers.of(100).batch(1).prefetch(2).prefetch(2)) {
      assertThat(batch.size()).isEqualTo(1);
      break;
    }
    assertThat(threads()).isNotEmpty();
  }

  @Test
  void aThousandIterationsLeaveNoThread() {
    Batches batches = Numbers.of(3).batch(1).prefetch(2);
    for (int epoch = 0; epoch < 1000; epoch++) {
      assertThat(labels(batches.epoch(epoch))).hasSize(3);
    }

    await("threads end", () -> threads().isEmpty());
  }

  @Test
  void throwsWhatMapHasThrownWhenItsBatchIsDue() {
    RuntimeException failure = new IllegalStateException("bad example");
    AtomicInteger made = new AtomicInteger();
    BatchIterator batches =
        Numbers.of(100)
            .batch(1)
            .map(
                batch -> {
                  if (made.incrementAndGet() == 3) {
                    throw failure;
                  }
                  return batch;
                })
            .prefetch(5)
            .iterator();

    assertThat(batches.next().target().item()).isEqualTo(0);
    assertThat(batches.next().target().item()).isEqualTo(1);
    assertThat(batches.hasNext()).isTrue();
    assertThatThrownBy(batches::next).isSameAs(failure);
    assertThat(batches.hasNext()).isFalse();
    assertThatThrownBy(batches::next).isInstanceOf(NoSuchElementException.class);
    assertThat(made).hasValue(3);
  }

  @Test
  void throwsErrorsToo() {
    Error failure = new StackOverflowError();
    BatchIterator batches =
        Numbers.of(4)
            .batch(1)
            .map(
                batch -> {
                  throw failure;
                })
            .prefetch(2)
            .iterator();

    assertThatThrownBy(batches::next).isSameAs(failure);
  }

  @Test
  void anInterruptedConsumerStopsWaiting() throws InterruptedException {
    CountDownLatch never = new CountDownLatch(1);
    AtomicReference<Throwable> thrown = new AtomicReference<>();
    AtomicReference<Boolean> interrupted = new AtomicReference<>();
    BatchIterator batches =
        Numbers.of(4)
            .batch(1)
            .map(
                batch -> {
                  waitFor(never);
                  return batch;
                })
            .prefetch(2)
            .iterator();
    Thread consumer =
        Thread.ofPlatform()
            .start(
                () -> {
                  try {
                    batches.next();
                  } catch (CancellationException e) {
                    thrown.set(e);
                    interrupted.set(Thread.currentThread().isInterrupted());
                  }
                });
    await("the consumer waits", () -> consumer.getState() == Thread.State.WAITING);
    consumer.interrupt();
    consumer.join();

    assertThat(thrown.get()).hasMessageContaining("interrupted");
    assertThat(interrupted.get()).isTrue();
  }

  @Test
  void anInterruptedMakerDoesNotHangTheConsumer() {
    AtomicInteger made = new AtomicInteger();
    BatchIterator batches = Numbers.of(100).batch(1).map(counting(made)).prefetch(2).iterator();
    await("2 batches are ahead", () -> made.get() == 2);
    await("the thread sleeps", PrefetchTest::allWait);
    threads().forEach(Thread::interrupt);
    await("threads end", () -> threads().isEmpty());

    batches.next();
    batches.next();
    assertThatThrownBy(batches::next).isInstanceOf(CancellationException.class);
  }

  @Test
  void virtualThreadsMayConsume() throws InterruptedException {
    AtomicReference<List<Long>> seen = new AtomicReference<>();
    Thread.ofVirtual().start(() -> seen.set(labels(Numbers.of(100).batch(7).prefetch(2)))).join();

    assertThat(seen.get()).isEqualTo(range(0, 100));
  }
}
