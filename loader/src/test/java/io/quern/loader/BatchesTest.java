package io.quern.loader;

import static io.quern.loader.Numbers.labels;
import static io.quern.loader.Numbers.range;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.quern.Batch;
import io.quern.Tensor;
import io.quern.TensorScope;
import java.util.ArrayList;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.concurrent.atomic.AtomicInteger;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class BatchesTest {
  @Property(tries = 100)
  void prefetchKeepsOrderAndBits(
      @ForAll @IntRange(max = 40) int size,
      @ForAll @IntRange(min = 1, max = 9) int batch,
      @ForAll @IntRange(min = 1, max = 5) int depth,
      @ForAll @IntRange(max = 3) int epoch) {
    Batches batches = Numbers.of(size).shuffle(size).batch(batch).epoch(epoch);

    assertThat(labels(batches.prefetch(depth))).isEqualTo(labels(batches));
    assertThat(labels(batches.prefetch(depth).prefetch(1))).isEqualTo(labels(batches));
  }

  @Test
  void mapsInputsAndTargets() {
    Batches batches =
        Numbers.of(4).batch(2).mapInput(x -> x.mul(10)).mapTarget(y -> y.add(1)).skip(1);

    try (Batch batch = batches.iterator().next()) {
      assertThat(batch.input().toFloatArray()).containsExactly(20, -20, 30, -30);
      assertThat(batch.target().toLongArray()).containsExactly(3, 4);
    }
  }

  @Test
  void mapsLazilyAndOncePerIteration() {
    AtomicInteger calls = new AtomicInteger();
    Batches batches =
        Numbers.of(6)
            .batch(2)
            .map(
                batch -> {
                  calls.incrementAndGet();
                  return batch;
                });
    assertThat(calls).hasValue(0);

    batches.iterator().next();
    assertThat(calls).hasValue(1);

    assertThat(labels(batches)).isEqualTo(range(0, 6));
    assertThat(calls).hasValue(4);
  }

  @Test
  void mapClosesWhatItDoesNotPassOn() {
    List<Tensor> made = new ArrayList<>();
    Batch result =
        Numbers.of(4)
            .shuffle(1)
            .batch(2)
            .map(
                batch -> {
                  Tensor squared = batch.input().square();
                  Tensor sum = squared.sum(1);
                  made.addAll(List.of(batch.input(), batch.target(), squared, sum));
                  return new Batch(sum, batch.target());
                })
            .iterator()
            .next();

    assertThat(made).extracting(Tensor::isClosed).containsExactly(true, false, true, false);
    assertThat(result.input().size()).isEqualTo(2);
  }

  @Test
  void mapPassesOnViews() {
    Batches batches = Numbers.of(4).shuffle(1).batch(2).mapInput(x -> x.reshape(2, 1, 2));

    try (Batch batch = batches.iterator().next()) {
      assertThat(batch.input().get(1, 0, 0)).isEqualTo(batch.target().get(1));
    }
  }

  @Test
  void batchesBelongToTheScopeOfTheConsumer() {
    Batch batch;
    try (TensorScope _ = TensorScope.open()) {
      batch = Numbers.of(4).batch(2).mapInput(x -> x.mul(2)).iterator().next();
      assertThat(batch.input().isClosed()).isFalse();
    }

    assertThat(batch.input().isClosed()).isTrue();
  }

  @Test
  void aFailureInMapEndsTheIteration() {
    RuntimeException failure = new RuntimeException("no such luck");
    List<Tensor> seen = new ArrayList<>();
    BatchIterator batches =
        Numbers.of(4)
            .batch(2)
            .map(
                batch -> {
                  seen.add(batch.input());
                  throw failure;
                })
            .iterator();

    assertThatThrownBy(batches::next).isSameAs(failure);
    assertThat(seen).allMatch(Tensor::isClosed);
    assertThat(batches.hasNext()).isFalse();
    assertThatThrownBy(batches::next).isInstanceOf(NoSuchElementException.class);
  }

  @Test
  void mapRefusesNull() {
    BatchIterator batches = Numbers.of(4).batch(2).map(batch -> null).iterator();

    assertThatThrownBy(batches::next)
        .isInstanceOf(NullPointerException.class)
        .hasMessageStartingWith("map: ");
  }

  @Test
  void takesAndSkipsBatches() {
    Batches batches = Numbers.of(10).batch(3);

    assertThat(labels(batches.take(2))).isEqualTo(range(0, 6));
    assertThat(labels(batches.skip(2))).isEqualTo(range(6, 10));
    assertThat(labels(batches.skip(1).take(2))).isEqualTo(range(3, 9));
    assertThat(labels(batches.take(3).skip(2))).isEqualTo(range(6, 9));
    assertThat(labels(batches.take(99))).isEqualTo(range(0, 10));
    assertThat(labels(batches.skip(99))).isEmpty();
    assertThat(batches.skip(1).take(2).count()).isEqualTo(2);
  }

  @Test
  void skippedBatchesAreNotMade() {
    AtomicInteger calls = new AtomicInteger();
    Batches batches =
        Numbers.of(10)
            .batch(1)
            .map(
                batch -> {
                  calls.incrementAndGet();
                  return batch;
                });

    assertThat(labels(batches.skip(8))).isEqualTo(range(8, 10));
    assertThat(labels(batches.prefetch(3).take(2))).isEqualTo(range(0, 2));
    assertThat(calls).hasValue(4);
  }

  @Test
  void skipResumesAnEpochWhereItStopped() {
    Batches batches = Numbers.of(50).shuffle(5).batch(4).epoch(3);

    List<Long> resumed = new ArrayList<>(labels(batches.take(6)));
    resumed.addAll(labels(batches.skip(6)));

    assertThat(resumed).isEqualTo(labels(batches));
  }
}
