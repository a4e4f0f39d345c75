package io.quern.serve;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/** Callers at work at the same time. */
final class Load {
  private Load() {}

  /** One call: by which caller, and its number among all calls. */
  interface Call {
    void make(int caller, int number) throws Exception;
  }

  /** Makes {@code calls} calls from each of {@code callers} threads; throws the first failure. */
  static void run(int callers, int calls, ThreadFactory threads, Call call) throws Exception {
    AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
    List<Thread> running = new ArrayList<>();
    for (int caller = 0; caller < callers; caller++) {
      int index = caller;
      Thread thread =
          threads.newThread(
              () -> {
                try {
                  for (int i = 0; i < calls; i++) {
                    call.make(index, index * calls + i);
                  }
                } catch (Throwable e) {
                  failure.compareAndSet(null, e);
                }
              });
      thread.start();
      running.add(thread);
    }
    for (Thread thread : running) {
      thread.join();
    }
    Throwable thrown = failure.get();
    if (thrown != null) {
      throw new AssertionError("a caller failed", thrown);
    }
  }
}
