package io.quern.conformance;

import static java.util.stream.Collectors.joining;
import static java.util.stream.Collectors.summingLong;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.stream.Collectors;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;

/** What work allocates on the calling thread once it is compiled. */
public final class Allocations {
  private static final Duration PATIENCE = Duration.ofSeconds(60);
  private static final Duration RECORDED = Duration.ofSeconds(2);
  private static final int FRAMES = 6;

  private Allocations() {}

  /**
   * Repeats work until it allocates no more than this.
   *
   * @throws AssertionError if it still does after a minute; tells where
   */
  public static void requireAtMost(long bytes, Runnable work) {
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    long found = allocatedBy(work);
    while (found > bytes && System.nanoTime() < deadline) {
      found = allocatedBy(work);
    }
    if (found > bytes) {
      throw new AssertionError(
          "allocates %,d bytes, not at most %,d%n%s".formatted(found, bytes, places(work)));
    }
  }

  private static long allocatedBy(Runnable work) {
    ThreadMXBean meter = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long before = meter.getCurrentThreadAllocatedBytes();
    work.run();
    return meter.getCurrentThreadAllocatedBytes() - before;
  }

  /** Where work allocates, by samples of the JVM, the largest sums first. */
  private static String places(Runnable work) {
    try (Recording recording = new Recording()) {
      recording.enable("jdk.ObjectAllocationSample").with("throttle", "1000/s").withStackTrace();
      recording.start();
      long deadline = System.nanoTime() + RECORDED.toNanos();
      while (System.nanoTime() < deadline) {
        work.run();
      }
      recording.stop();
      Path file = Files.createTempFile("allocations", ".jfr");
      try {
        recording.dump(file);
        Map<String, Long> sums =
            RecordingFile.readAllEvents(file).stream()
                .filter(event -> event.getStackTrace() != null)
                .collect(
                    Collectors.groupingBy(
                        Allocations::place, summingLong(event -> event.getLong("weight"))));
        return sums.entrySet().stream()
            .sorted(Map.Entry.<String, Long>comparingByValue().reversed())
            .limit(5)
            .map(each -> "%,d bytes of %s".formatted(each.getValue(), each.getKey()))
            .collect(joining(System.lineSeparator()));
      } finally {
        Files.delete(file);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String place(RecordedEvent event) {
    String frames =
        event.getStackTrace().getFrames().stream()
            .limit(FRAMES)
            .map(
                frame ->
                    "%s.%s:%d"
                        .formatted(
                            frame.getMethod().getType().getName(),
                            frame.getMethod().getName(),
                            frame.getLineNumber()))
            .collect(joining(" < "));
    return event.getClass("objectClass").getName() + " at " + frames;
  }
}
