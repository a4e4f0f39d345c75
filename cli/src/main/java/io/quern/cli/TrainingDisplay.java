package io.quern.cli;

import io.quern.train.EpochResult;
import io.quern.train.StepResult;
import io.quern.train.TrainListener;
import java.io.Console;
import java.io.PrintWriter;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarConsumer;
import me.tongfei.progressbar.ProgressState;
import org.jspecify.annotations.Nullable;

/**
 * Shows how a training goes on: a line for each epoch, and before it a progress bar on a terminal,
 * or else a line every ten seconds.
 */
final class TrainingDisplay implements TrainListener, AutoCloseable {
  /** Fits the usual terminal; a longer line would wrap and could not be drawn over. */
  private static final int WIDTH = 79;

  private static final int REDRAW_MILLIS = 100;
  private static final long LINE_NANOS = 10_000_000_000L;

  private final PrintWriter out;
  private final boolean terminal;
  private @Nullable ProgressBar bar;
  private @Nullable Line line;
  private String task = "";
  private long printed;

  TrainingDisplay(PrintWriter out, boolean terminal) {
    this.out = out;
    this.terminal = terminal;
  }

  /** Whether standard output and input are a terminal. */
  static boolean onTerminal() {
    return Optional.ofNullable(System.console()).map(Console::isTerminal).orElse(false);
  }

  @Override
  public void epochStarted(int epoch, int epochs) {
    close();
    task = "epoch " + epoch + "/" + epochs;
    printed = System.nanoTime();
  }

  @Override
  public void stepDone(StepResult result) {
    long batch = result.progress().batch();
    String figures =
        figures(result.meanLoss(), result.metrics()) + rate(result.examplesPerSecond());
    if (terminal) {
      bar(result.batches()).stepTo(batch).setExtraMessage(figures);
    } else if (System.nanoTime() - printed > LINE_NANOS) {
      printed = System.nanoTime();
      out.println(task + "  " + batch + "/" + result.batches() + figures);
    }
  }

  private ProgressBar bar(long batches) {
    ProgressBar current = bar;
    if (current == null) {
      Line fresh = new Line(out);
      current =
          new ProgressBarBuilder()
              .setTaskName(task)
              .setInitialMax(batches)
              .setUpdateIntervalMillis(REDRAW_MILLIS)
              .setRenderer(TrainingDisplay::render)
              .setConsumer(fresh)
              .build();
      bar = current;
      line = fresh;
    }
    return current;
  }

  @Override
  public void epochDone(EpochResult result) {
    close();
    double seconds = result.time().toNanos() * 1e-9;
    StringBuilder text = new StringBuilder(task);
    text.append(figures(result.loss(), result.metrics()));
    result
        .validation()
        .ifPresent(
            test ->
                test.metrics()
                    .forEach(
                        (name, value) ->
                            text.append(
                                String.format(Locale.ROOT, "  test %s %.3f", name, value))));
    out.println(text + rate(result.examples() / seconds));
    out.flush();
  }

  /** Takes the progress bar off the screen. */
  @Override
  public void close() {
    ProgressBar current = bar;
    Line drawn = line;
    if (current != null && drawn != null) {
      bar = null;
      line = null;
      current.close();
      drawn.close();
    }
  }

  private static String figures(double loss, Map<String, Double> metrics) {
    StringBuilder text = new StringBuilder(String.format(Locale.ROOT, "  loss %.3f", loss));
    metrics.forEach(
        (name, value) -> text.append(String.format(Locale.ROOT, "  %s %.3f", name, value)));
    return text.toString();
  }

  private static String rate(double perSecond) {
    return String.format(Locale.ROOT, "  %,.0f images/s", perSecond);
  }

  private static String render(ProgressState state, int width) {
    String right =
        String.format(
            Locale.ROOT,
            "] %3.0f%%%s",
            100 * state.getNormalizedProgress(),
            state.getExtraMessage());
    int room = Math.max(0, width - state.getTaskName().length() - 2 - right.length());
    int full = (int) Math.round(room * state.getNormalizedProgress());
    return state.getTaskName() + " [" + "=".repeat(full) + " ".repeat(room - full) + right;
  }

  /**
   * One line of the terminal that is drawn again and again. The thread that draws may come late:
   * the display itself ends the line, and nothing is drawn after that.
   */
  private static final class Line implements ProgressBarConsumer {
    private final PrintWriter out;
    private boolean closed;

    Line(PrintWriter out) {
      this.out = out;
    }

    @Override
    public int getMaxRenderedLength() {
      return WIDTH;
    }

    @Override
    public synchronized void accept(String text) {
      if (closed) {
        return;
      }
      String shown = text.length() > WIDTH ? text.substring(0, WIDTH) : text;
      out.print("\r" + shown + " ".repeat(WIDTH - shown.length()));
      out.flush();
    }

    @Override
    public synchronized void close() {
      if (closed) {
        return;
      }
      closed = true;
      out.print("\r" + " ".repeat(WIDTH) + "\r");
      out.flush();
    }
  }
}
