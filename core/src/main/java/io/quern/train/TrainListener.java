package io.quern.train;

import java.nio.file.Path;

/** Is told how a training goes on, on the thread that trains. What it throws ends the training. */
public interface TrainListener {
  /** The training begins, or goes on: {@link Trainer#fit} was called. */
  default void started(Trainer trainer) {}

  /**
   * An epoch begins.
   *
   * @param epoch which one, counted from 1
   * @param epochs planned epochs
   */
  default void epochStarted(int epoch, int epochs) {}

  /** A step is complete. */
  default void stepDone(StepResult result) {}

  /** An epoch is complete, its validation included. */
  default void epochDone(EpochResult result) {}

  /** A checkpoint was written and replaces the one before. */
  default void checkpointWritten(Path path, Progress progress) {}

  /**
   * Prints to standard output: where and how the model is trained; a progress bar that is drawn
   * anew on a terminal, else a line every ten seconds; and a line for each epoch.
   */
  @SuppressWarnings("SystemConsoleNull") // it is null again since JDK-8351435
  static TrainListener console() {
    java.io.Console console = System.console();
    return new ConsoleListener(
        System.out, console != null && console.isTerminal(), System::nanoTime);
  }
}
