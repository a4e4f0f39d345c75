package io.quern.train;

import java.io.PrintStream;
import java.util.Locale;
import java.util.Map;
import java.util.function.LongSupplier;

/** Progress as text. */
final class ConsoleListener implements TrainListener {
  private static final int BAR = 20;
  private static final long REDRAW_NANOS = 100_000_000L;
  private static final long LINE_NANOS = 10_000_000_000L;

  private final PrintStream out;
  private final boolean terminal;
  private final LongSupplier clock;
  private long started;
  private long startBatch = -1;
  private long printed;
  private int width;

  ConsoleListener(PrintStream out, boolean terminal, LongSupplier clock) {
    this.out = out;
    this.terminal = terminal;
    this.clock = clock;
  }

  @Override
  public void started(Trainer trainer) {
    out.println(trainer.describe());
  }

  @Override
  public void epochStarted(int epoch, int epochs) {
    started = clock.getAsLong();
    startBatch = -1;
    printed = started;
  }

  @Override
  public void stepDone(StepResult result) {
    long now = clock.getAsLong();
    if (startBatch < 0) {
      startBatch = result.progress().batch() - 1;
    }
    if (now - printed < (terminal ? REDRAW_NANOS : LINE_NANOS)) {
      return;
    }
    printed = now;
    String line = line(result, now);
    if (terminal) {
      redraw(line);
      out.flush();
    } else {
      out.println(line);
    }
  }

  private void redraw(String line) {
    out.print("\r" + line + " ".repeat(Math.max(0, width - line.length())));
    width = line.length();
  }

  private String line(StepResult result, long now) {
    long batch = result.progress().batch();
    long batches = result.batches();
    StringBuilder text = new StringBuilder();
    text.append("epoch ").append(result.progress().epoch() + 1).append('/');
    text.append(result.epochs()).append("  ");
    if (batches > 0 && terminal) {
      int full = (int) Math.min(BAR, BAR * batch / batches);
      text.append('[').append("=".repeat(full)).append(" ".repeat(BAR - full)).append("]  ");
    }
    text.append(batch).append(batches > 0 ? "/" + batches : " batches");
    appendFigures(text, result.meanLoss(), result.metrics());
    text.append(String.format(Locale.ROOT, "  %,.0f examples/s", result.examplesPerSecond()));
    if (batches > 0) {
      double perBatch = (double) (now - started) / (batch - startBatch);
      text.append("  ETA ").append(time(perBatch * Math.max(0, batches - batch)));
    }
    return text.toString();
  }

  private static void appendFigures(StringBuilder text, double loss, Map<String, Double> metrics) {
    text.append(String.format(Locale.ROOT, "  loss %.4f", loss));
    metrics.forEach(
        (name, value) -> text.append(String.format(Locale.ROOT, "  %s %.4f", name, value)));
  }

  private static String time(double nanos) {
    long seconds = Math.round(nanos / 1e9);
    return seconds < 3600
        ? String.format(Locale.ROOT, "%d:%02d", seconds / 60, seconds % 60)
        : String.format(
            Locale.ROOT, "%d:%02d:%02d", seconds / 3600, seconds / 60 % 60, seconds % 60);
  }

  @Override
  public void epochDone(EpochResult result) {
    StringBuilder text = new StringBuilder();
    text.append("epoch ").append(result.epoch()).append('/').append(result.epochs());
    appendFigures(text, result.loss(), result.metrics());
    result
        .validation()
        .ifPresent(
            validation -> {
              text.append("  validation:");
              appendFigures(text, validation.loss(), validation.metrics());
            });
    double seconds = result.time().toNanos() / 1e9;
    text.append(String.format(Locale.ROOT, "  %,.0f examples/s", result.examples() / seconds));
    text.append(String.format(Locale.ROOT, "  %.1f s", seconds));
    if (terminal) {
      redraw(text.toString());
      width = 0;
    } else {
      out.print(text);
    }
    out.println();
    out.flush();
  }
}
