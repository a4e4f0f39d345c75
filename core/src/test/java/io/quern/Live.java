package io.quern;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.runtime.HostMemory;
import java.time.Duration;

/** Bytes that tensors hold. */
public final class Live {
  private static final Duration PATIENCE = Duration.ofSeconds(20);

  private Live() {}

  /** What is live now. */
  public static long bytes() {
    return HostMemory.shared().usage().live();
  }

  /** What is live when everything that was forgotten before has come back. */
  public static long settled() throws InterruptedException {
    long before = Long.MAX_VALUE;
    int steady = 0;
    while (steady < 3) {
      System.gc();
      Thread.sleep(20);
      long now = bytes();
      steady = now == before ? steady + 1 : 0;
      before = now;
    }
    return before;
  }

  /** Waits, for a bounded time, until collections have brought live bytes down to a number. */
  public static void awaitAtMost(long expected) throws InterruptedException {
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    while (bytes() > expected && System.nanoTime() < deadline) {
      System.gc();
      Thread.sleep(10);
    }
    assertThat(bytes()).isLessThanOrEqualTo(expected);
  }
}
