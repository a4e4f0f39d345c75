package io.quern.train;

/**
 * How far a training is.
 *
 * @param epoch complete epochs
 * @param batch complete batches of the current epoch
 * @param step complete steps over all epochs
 */
public record Progress(int epoch, long batch, long step) {
  /** The beginning. */
  public static final Progress START = new Progress(0, 0, 0);

  /** Checks the numbers. */
  public Progress {
    if (epoch < 0 || batch < 0 || step < batch) {
      throw new IllegalArgumentException(
          "progress: epoch, batch and step must be 0 or more and the step not less than the batch,"
              + " found "
              + epoch
              + ", "
              + batch
              + " and "
              + step);
    }
  }

  Progress nextBatch() {
    return new Progress(epoch, batch + 1, step + 1);
  }

  Progress nextEpoch() {
    return new Progress(epoch + 1, 0, step);
  }
}
