package io.quern.loader;

import io.quern.Batch;
import io.quern.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.LongStream;

/** Datasets in which example {@code i} has the features (i, -i) and the label i. */
final class Numbers {
  private Numbers() {}

  static Dataset of(int size) {
    float[] features = new float[2 * size];
    for (int i = 0; i < size; i++) {
      features[2 * i] = i;
      features[2 * i + 1] = -i;
    }
    int[] labels = IntStream.range(0, size).toArray();
    return Dataset.of(Tensor.of(features, size, 2), Tensor.of(labels, size));
  }

  /** The labels in the order of the batches, after a check that the features are theirs. */
  static List<Long> labels(Iterable<Batch> batches) {
    List<Long> all = new ArrayList<>();
    for (Batch batch : batches) {
      try (batch) {
        long[] labels = batch.target().toLongArray();
        float[] features = batch.input().toFloatArray();
        for (int i = 0; i < labels.length; i++) {
          if (features[2 * i] != labels[i] || features[2 * i + 1] != -labels[i]) {
            throw new AssertionError(
                "label " + labels[i] + " came with features of " + features[2 * i]);
          }
          all.add(labels[i]);
        }
      }
    }
    return all;
  }

  static List<Long> range(long from, long to) {
    return LongStream.range(from, to).boxed().toList();
  }
}
