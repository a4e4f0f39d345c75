package io.quern.train;

/** A weighted mean of numbers that come one after the other. For one thread at a time. */
public final class RunningMean {
  private double sum;
  private double weights;

  /** No numbers yet. */
  public RunningMean() {}

  /** Adds a number that counts {@code weight} times. */
  public void add(double value, double weight) {
    sum += value * weight;
    weights += weight;
  }

  /** The mean so far, NaN before the first number. */
  public double mean() {
    return sum / weights;
  }

  /** Forgets everything. */
  public void reset() {
    sum = 0;
    weights = 0;
  }
}
