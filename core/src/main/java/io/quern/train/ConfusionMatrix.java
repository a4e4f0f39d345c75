package io.quern.train;

import io.quern.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Counts how often each class was taken for each: scores [.., classes], labels [..]. Its value is
 * the accuracy.
 */
public final class ConfusionMatrix implements Metric {
  private final List<String> names;
  private final long[][] counts;

  private ConfusionMatrix(List<String> names) {
    if (names.isEmpty()) {
      throw new IllegalArgumentException("confusion matrix: needs one class or more");
    }
    this.names = List.copyOf(names);
    this.counts = new long[names.size()][names.size()];
  }

  /** A matrix for classes with names, in the order of their indices. */
  public static ConfusionMatrix of(List<String> names) {
    return new ConfusionMatrix(names);
  }

  /** A matrix for classes that are called by their indices. */
  public static ConfusionMatrix of(int classes) {
    List<String> names = new ArrayList<>();
    for (int i = 0; i < classes; i++) {
      names.add(Integer.toString(i));
    }
    return new ConfusionMatrix(names);
  }

  @Override
  public String name() {
    return "accuracy";
  }

  @Override
  public void update(Tensor prediction, Tensor target) {
    long[] predicted = Labels.predicted("confusion matrix", prediction, target);
    long[] labels = target.toLongArray();
    for (int i = 0; i < labels.length; i++) {
      long label = labels[i];
      if (label < 0 || Math.max(label, predicted[i]) >= counts.length) {
        throw new IndexOutOfBoundsException(
            "confusion matrix: label "
                + label
                + ", predicted "
                + predicted[i]
                + ", expected 0 to "
                + (counts.length - 1));
      }
    }
    for (int i = 0; i < labels.length; i++) {
      counts[(int) labels[i]][(int) predicted[i]]++;
    }
  }

  /** How often examples of class {@code label} were taken for class {@code predicted}. */
  public long count(int label, int predicted) {
    return counts[label][predicted];
  }

  /** Examples of a class. */
  public long support(int label) {
    long sum = 0;
    for (long count : counts[label]) {
      sum += count;
    }
    return sum;
  }

  private long predictions(int label) {
    long sum = 0;
    for (long[] row : counts) {
      sum += row[label];
    }
    return sum;
  }

  /** Share of the predictions of a class that are right; NaN when it was never predicted. */
  public double precision(int label) {
    return (double) counts[label][label] / predictions(label);
  }

  /** Share of the examples of a class that were found; NaN when there are none. */
  public double recall(int label) {
    return (double) counts[label][label] / support(label);
  }

  /** Harmonic mean of precision and recall; NaN when the class neither occurs nor is predicted. */
  public double f1(int label) {
    return 2.0 * counts[label][label] / (support(label) + predictions(label));
  }

  @Override
  public double value() {
    long right = 0;
    long all = 0;
    for (int label = 0; label < counts.length; label++) {
      right += counts[label][label];
      all += support(label);
    }
    return (double) right / all;
  }

  @Override
  public void reset() {
    for (long[] row : counts) {
      java.util.Arrays.fill(row, 0);
    }
  }

  /** A line per class: precision, recall, F1, support, and what it is most often taken for. */
  public String table() {
    int width = Math.max(5, names.stream().mapToInt(String::length).max().orElseThrow());
    String row = "%-" + width + "s  %9s  %6s  %6s  %7s  %s%n";
    StringBuilder text = new StringBuilder();
    text.append(
        String.format(
            Locale.ROOT, row, "class", "precision", "recall", "f1", "support", "taken for"));
    for (int label = 0; label < counts.length; label++) {
      text.append(
          String.format(
              Locale.ROOT,
              row,
              names.get(label),
              share(precision(label)),
              share(recall(label)),
              share(f1(label)),
              support(label),
              mostConfused(label)));
    }
    text.append(
        String.format(Locale.ROOT, "%-" + width + "s  %9s%n", "all", "accuracy " + share(value())));
    return text.toString()
        .lines()
        .map(String::stripTrailing)
        .reduce((a, b) -> a + "\n" + b)
        .orElseThrow();
  }

  private static String share(double value) {
    return Double.isNaN(value) ? "-" : String.format(Locale.ROOT, "%.3f", value);
  }

  private String mostConfused(int label) {
    int most = -1;
    for (int other = 0; other < counts.length; other++) {
      if (other != label && counts[label][other] > (most < 0 ? 0 : counts[label][most])) {
        most = other;
      }
    }
    return most < 0 ? "" : names.get(most) + " (" + counts[label][most] + ")";
  }

  @Override
  public String toString() {
    return table();
  }
}
