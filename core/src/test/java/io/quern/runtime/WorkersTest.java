package io.quern.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class WorkersTest {
  private static final Workers.Task<AtomicIntegerArray> COUNT = AtomicIntegerArray::incrementAndGet;

  private int threadsBefore;

  @BeforeEach
  void setUp() {
    threadsBefore = Workers.shared().threads();
    Workers.setThreads(4);
  }

  @AfterEach
  void tearDown() {
    Workers.setThreads(threadsBefore);
  }

  private static void requireOnce(AtomicIntegerArray counts) {
    for (int i = 0; i < counts.length(); i++) {
      if (counts.get(i) != 1) {
        throw new AssertionError("chunk " + i + " ran " + counts.get(i) + " times");
      }
    }
  }

  @Test
  void everyChunkRunsOnce() {
    for (int round = 0; round < 20_000; round++) {
      AtomicIntegerArray counts = new AtomicIntegerArray(round % 50);
      Workers.shared().run(COUNT, counts, counts.length());
      requireOnce(counts);
    }
  }

  @Test
  void severalThreadsTakePart() throws InterruptedException {
    // Each chunk waits for the other, so that one thread alone would not get through.
    CountDownLatch both = new CountDownLatch(2);
    Set<Thread> threads = ConcurrentHashMap.newKeySet();
    boolean[] met = new boolean[2];
    Workers.shared()
        .run(
            (latch, chunk) -> {
              threads.add(Thread.currentThread());
              latch.countDown();
              try {
                met[chunk] = latch.await(30, TimeUnit.SECONDS);
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
            },
            both,
            2);
    assertThat(met).containsOnly(true);
    assertThat(threads).hasSize(2);
  }

  @Test
  void chunksMaySplitTheirWorkAgain() {
    for (int round = 0; round < 500; round++) {
      AtomicIntegerArray counts = new AtomicIntegerArray(64);
      Workers.shared()
          .run(
              (array, outer) ->
                  Workers.shared()
                      .run((inner, chunk) -> inner.incrementAndGet(outer * 8 + chunk), array, 8),
              counts,
              8);
      requireOnce(counts);
    }
  }

  @Test
  void callersThrowWhatChunksThrow() {
    for (int failing = 0; failing < 16; failing++) {
      int bad = failing;
      AtomicIntegerArray counts = new AtomicIntegerArray(16);
      assertThatIllegalStateException()
          .isThrownBy(
              () ->
                  Workers.shared()
                      .run(
                          (array, chunk) -> {
                            array.incrementAndGet(chunk);
                            if (chunk == bad) {
                              throw new IllegalStateException("chunk " + chunk);
                            }
                          },
                          counts,
                          16))
          .withMessage("chunk " + bad);
      requireOnce(counts);
    }
    AtomicIntegerArray counts = new AtomicIntegerArray(16);
    Workers.shared().run(COUNT, counts, 16);
    requireOnce(counts);
  }

  @Test
  void errorsPassThrough() {
    assertThatExceptionOfType(OutOfMemoryError.class)
        .isThrownBy(
            () ->
                Workers.shared()
                    .run(
                        (argument, chunk) -> {
                          throw new OutOfMemoryError("chunk");
                        },
                        "",
                        4));
  }

  @Test
  void callersDoNotDisturbEachOther() throws Exception {
    List<Future<?>> callers = new ArrayList<>();
    try (ExecutorService executor = Executors.newFixedThreadPool(6)) {
      for (int caller = 0; caller < 6; caller++) {
        int size = 1 + caller * 7;
        callers.add(
            executor.submit(
                () -> {
                  for (int round = 0; round < 5_000; round++) {
                    AtomicIntegerArray counts = new AtomicIntegerArray(size);
                    Workers.shared().run(COUNT, counts, size);
                    requireOnce(counts);
                  }
                }));
      }
      for (Future<?> caller : callers) {
        caller.get();
      }
    }
  }

  @Test
  void virtualThreadsMayCall() throws Exception {
    try (ExecutorService executor = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<?>> callers = new ArrayList<>();
      for (int caller = 0; caller < 50; caller++) {
        callers.add(
            executor.submit(
                () -> {
                  AtomicIntegerArray counts = new AtomicIntegerArray(20);
                  Workers.shared().run(COUNT, counts, 20);
                  requireOnce(counts);
                }));
      }
      for (Future<?> caller : callers) {
        caller.get();
      }
    }
  }

  @Test
  void threadsMayChangeWhileTasksRun() throws Exception {
    try (ExecutorService executor = Executors.newFixedThreadPool(2)) {
      Future<?> caller =
          executor.submit(
              () -> {
                for (int round = 0; round < 3_000; round++) {
                  AtomicIntegerArray counts = new AtomicIntegerArray(33);
                  Workers.shared().run(COUNT, counts, 33);
                  requireOnce(counts);
                }
              });
      for (int i = 0; !caller.isDone(); i++) {
        Workers.setThreads(1 + i % 4);
        assertThat(Workers.shared().threads()).isEqualTo(1 + i % 4);
      }
      caller.get();
    }
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Workers.setThreads(0))
        .withMessage("workers: expected 1 thread or more, found 0");
  }

  @Test
  void runningTaskAllocatesNothing() {
    AtomicIntegerArray counts = new AtomicIntegerArray(8);
    var threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
    Workers workers = Workers.shared();
    long least = Long.MAX_VALUE;
    for (int attempt = 0; attempt < 20; attempt++) {
      long before = threads.getCurrentThreadAllocatedBytes();
      for (int round = 0; round < 2_000; round++) {
        workers.run(COUNT, counts, 8);
      }
      least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
    }
    assertThat(least).isZero();
  }
}
