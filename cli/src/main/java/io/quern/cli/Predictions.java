package io.quern.cli;

import io.quern.Batch;
import io.quern.Tensor;
import io.quern.loader.Batches;
import io.quern.loader.Dataset;
import io.quern.nn.Module;
import java.util.Arrays;

/** A model's scores for all examples of a dataset, in its order. */
final class Predictions {
  private static final int BATCH = 250;

  private final int classes;
  private final float[] scores;

  private Predictions(int classes, float[] scores) {
    this.classes = classes;
    this.scores = scores;
  }

  /** Runs the model, which gives [n, classes], over batches made by {@code prepare}. */
  static Predictions of(Module model, Dataset data, int classes, Preparation prepare) {
    float[] scores = new float[Math.toIntExact(data.size()) * classes];
    int filled = 0;
    Batches batches = data.batch(BATCH).mapInput(prepare::toInput);
    for (Batch batch : batches) {
      try (batch;
          Tensor output = model.forward(batch.input())) {
        float[] part = output.toFloatArray();
        System.arraycopy(part, 0, scores, filled, part.length);
        filled += part.length;
      }
    }
    return new Predictions(classes, scores);
  }

  /** Makes a model's input from raw data. */
  @FunctionalInterface
  interface Preparation {
    Tensor toInput(Tensor raw);
  }

  /** Scores of all classes for one example. */
  float[] scores(int example) {
    return Arrays.copyOfRange(scores, example * classes, (example + 1) * classes);
  }

  /** The class with the largest score. */
  int predicted(int example) {
    return largest(scores(example));
  }

  /** Softmax of the scores at {@code label}. */
  double probability(int example, int label) {
    float[] all = scores(example);
    double top = all[largest(all)];
    double sum = 0;
    for (float score : all) {
      sum += Math.exp(score - top);
    }
    return Math.exp(all[label] - top) / sum;
  }

  /** All scores, [n, classes]. */
  Tensor toTensor() {
    return Tensor.of(scores, scores.length / classes, classes);
  }

  /** Position of the first of the largest elements. */
  static int largest(float[] elements) {
    int largest = 0;
    for (int i = 1; i < elements.length; i++) {
      if (elements[i] > elements[largest]) {
        largest = i;
      }
    }
    return largest;
  }
}
