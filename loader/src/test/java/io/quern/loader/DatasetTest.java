package io.quern.loader;

import static io.quern.loader.Numbers.labels;
import static io.quern.loader.Numbers.range;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.quern.Batch;
import io.quern.DType;
import io.quern.Device;
import io.quern.Shape;
import io.quern.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.stream.Stream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class DatasetTest {
  @Property(tries = 100)
  void batchesFollowTheSource(
      @ForAll @IntRange(max = 60) int size, @ForAll @IntRange(min = 1, max = 70) int batch) {
    Batches batches = Numbers.of(size).batch(batch);

    assertThat(labels(batches)).isEqualTo(range(0, size));
    assertThat(batches.count()).isEqualTo((size + batch - 1) / batch);
  }

  @Property(tries = 100)
  void shuffledEpochsHaveEveryExampleOnce(
      @ForAll @IntRange(max = 60) int size,
      @ForAll @IntRange(min = 1, max = 70) int batch,
      @ForAll long seed,
      @ForAll @IntRange(max = 5) int epoch) {
    Batches batches = Numbers.of(size).shuffle(seed).batch(batch).epoch(epoch);

    assertThat(labels(batches)).containsExactlyInAnyOrderElementsOf(range(0, size));
  }

  @Property(tries = 100)
  void takeAndSkipDivideWithoutLoss(
      @ForAll @IntRange(max = 60) int size, @ForAll @IntRange(max = 70) int at, @ForAll long seed) {
    Dataset shuffled = Numbers.of(size).shuffle(seed);

    List<Long> parts = new ArrayList<>(labels(shuffled.take(at).batch(7)));
    parts.addAll(labels(shuffled.skip(at).batch(7)));

    assertThat(parts).isEqualTo(labels(shuffled.batch(7)));
    assertThat(shuffled.take(at).size() + shuffled.skip(at).size()).isEqualTo(size);
  }

  @Test
  void shufflesFromSeedAndEpoch() {
    Batches batches = Numbers.of(100).shuffle(42).batch(8);

    assertThat(labels(batches)).isNotEqualTo(range(0, 100));
    assertThat(labels(batches)).isEqualTo(labels(batches));
    assertThat(labels(batches)).isEqualTo(labels(batches.epoch(0)));
    assertThat(labels(batches.epoch(1))).isNotEqualTo(labels(batches.epoch(0)));
    assertThat(labels(Numbers.of(100).shuffle(43).batch(8))).isNotEqualTo(labels(batches));
  }

  @Test
  void theOrderDoesNotDependOnTheBatchSize() {
    Dataset shuffled = Numbers.of(100).shuffle(42);

    assertThat(labels(shuffled.batch(1))).isEqualTo(labels(shuffled.batch(33)));
  }

  @Test
  void takesBeforeOrAfterShuffling() {
    Batches fixed = Numbers.of(100).take(10).shuffle(1).batch(10);
    Batches changing = Numbers.of(100).shuffle(1).take(10).batch(10);

    assertThat(labels(fixed)).containsExactlyInAnyOrderElementsOf(range(0, 10));
    assertThat(labels(fixed.epoch(1))).containsExactlyInAnyOrderElementsOf(range(0, 10));
    assertThat(labels(changing.epoch(1)))
        .hasSize(10)
        .isNotEqualTo(labels(changing))
        .isSubsetOf(range(0, 100));
  }

  @Test
  void keepsOrDropsASmallLastBatch() {
    Dataset dataset = Numbers.of(10);

    assertThat(sizes(dataset.batch(4))).containsExactly(4L, 4L, 2L);
    assertThat(sizes(dataset.batch(4, true))).containsExactly(4L, 4L);
    assertThat(sizes(dataset.batch(5, true))).containsExactly(5L, 5L);
    assertThat(sizes(dataset.batch(11, true))).isEmpty();
  }

  private static List<Long> sizes(Batches batches) {
    List<Long> sizes = new ArrayList<>();
    batches.forEach(batch -> sizes.add(batch.size()));
    assertThat(batches.count()).isEqualTo(sizes.size());
    return sizes;
  }

  @ParameterizedTest
  @EnumSource
  void keepsDtypesAndShapes(DType dtype) {
    Tensor features = Tensor.arange(24, DType.I64).to(dtype).reshape(4, 3, 2);
    Tensor labels = Tensor.arange(4, DType.I64);

    try (Batch batch = Dataset.of(features, labels).shuffle(1).batch(3).iterator().next()) {
      assertThat(batch.input().dtype()).isEqualTo(dtype);
      assertThat(batch.input().shape()).isEqualTo(Shape.of(3, 3, 2));
      long[] rows = batch.target().toLongArray();
      for (int i = 0; i < 3; i++) {
        assertThat(batch.input().select(0, i).toDoubleArray())
            .isEqualTo(features.select(0, rows[i]).toDoubleArray());
      }
    }
  }

  @Test
  void readsTensorsThatAreViews() {
    Tensor features = Tensor.arange(10, DType.F32).reshape(2, 5).transpose(0, 1).flip(0);
    Tensor labels = Tensor.arange(5, DType.I64).flip(0);

    try (Batch batch = Dataset.of(features, labels).shuffle(3).batch(5).iterator().next()) {
      double[] rows = batch.target().toDoubleArray();
      for (int i = 0; i < 5; i++) {
        assertThat(batch.input().get(i, 0)).isEqualTo(rows[i]);
        assertThat(batch.input().get(i, 1)).isEqualTo(rows[i] + 5);
      }
    }
  }

  @Test
  void staysOnTheDeviceOfItsTensors() {
    Tensor features = Tensor.arange(10, DType.F32).to(Device.reference());
    Tensor labels = Tensor.arange(10, DType.F32).to(Device.reference());

    try (Batch batch = Dataset.of(features, labels).shuffle(3).batch(5).iterator().next()) {
      assertThat(batch.input().device()).isEqualTo(Device.reference());
      assertThat(batch.target().device()).isEqualTo(Device.reference());
    }
  }

  @Test
  void closingBatchesLeavesTheTensorsOpen() {
    Tensor features = Tensor.arange(10, DType.F32);
    Dataset dataset = Dataset.of(features, Tensor.arange(10, DType.I64));

    dataset.batch(3).forEach(Batch::close);
    dataset.shuffle(1).batch(3).forEach(Batch::close);

    assertThat(features.toFloatArray()).startsWith(0, 1, 2).hasSize(10);
  }

  @Test
  void iteratorsEnd() {
    BatchIterator batches = Numbers.of(4).batch(3).iterator();
    batches.next();
    batches.next();

    assertThat(batches.hasNext()).isFalse();
    assertThatThrownBy(batches::next).isInstanceOf(NoSuchElementException.class);
  }

  @Test
  void closedIteratorsHaveNothingMore() {
    BatchIterator batches = Numbers.of(4).batch(1).iterator();
    batches.next();
    batches.close();

    assertThat(batches.hasNext()).isFalse();
    assertThatThrownBy(batches::next).isInstanceOf(NoSuchElementException.class);
  }

  @Test
  void refusesTensorsThatDoNotMatch() {
    Tensor ten = Tensor.zeros(10, 2);
    Tensor nine = Tensor.zeros(9);

    assertThatThrownBy(() -> Dataset.of(ten, nine))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("dataset: ")
        .hasMessageContainingAll("F32[10, 2]", "F32[9]");
    assertThatThrownBy(() -> Dataset.of(Tensor.scalar(1), Tensor.scalar(1)))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void refusesBadNumbers() {
    Dataset dataset = Numbers.of(10);

    Stream.<org.assertj.core.api.ThrowableAssert.ThrowingCallable>of(
            () -> dataset.take(-1),
            () -> dataset.skip(-1),
            () -> dataset.batch(0),
            () -> dataset.batch(1).take(-1),
            () -> dataset.batch(1).skip(-1),
            () -> dataset.batch(1).epoch(-1),
            () -> dataset.batch(1).prefetch(0))
        .forEach(
            call ->
                assertThatThrownBy(call)
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageMatching("[a-z]+: expected .*or more, found (0|-1)"));
  }

  @Test
  void namesAClosedTensor() {
    Tensor features = Tensor.zeros(10, 2);
    Batches batches = Dataset.of(features, Tensor.zeros(10)).batch(2);
    features.close();

    assertThatThrownBy(() -> batches.iterator().next())
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContainingAll("F32[10, 2]", "after close()");
  }
}
