package io.quern;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.quern.runtime.Philox;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class RngTest {
  @Test
  void uniformNumbersAreThePhiloxWordsInOrder() {
    float[] drawn = Rng.of(42).uniform(7).toFloatArray();
    for (int i = 0; i < 7; i++) {
      assertThat(drawn[i]).isEqualTo((Philox.word(42, i / 4, i % 4) >>> 8) * 0x1p-24f);
    }
  }

  @Test
  void drawsMoveTheCounterOnByOnePerFourElements() {
    Rng rng = Rng.of(42);
    rng.uniform(7);
    assertThat(rng.state()).isEqualTo(new Rng.State(42, 2));
    rng.normal(4, 2);
    assertThat(rng.state()).isEqualTo(new Rng.State(42, 4));
    rng.uniform(0);
    assertThat(rng.state()).isEqualTo(new Rng.State(42, 4));
  }

  @Test
  void aRestoredStateGoesOnWithTheSameBits() {
    Rng rng = Rng.of(7);
    rng.normal(10);
    Rng again = Rng.of(rng.state());
    assertThat(again.normal(33).toByteArray()).isEqualTo(rng.normal(33).toByteArray());
    assertThat(again.permutation(20)).isEqualTo(rng.permutation(20));
    assertThat(again.split().state()).isEqualTo(rng.split().state());
  }

  @Test
  void rangesAndMomentsAreThoseAskedFor() {
    double[] uniform = Rng.of(1).uniform(Shape.of(20_000), -3, 5).toDoubleArray();
    assertThat(Arrays.stream(uniform).min().orElseThrow()).isBetween(-3.0, -2.99);
    assertThat(Arrays.stream(uniform).max().orElseThrow()).isBetween(4.99, 5.0);
    // Five standard errors: sqrt(64 / 12 / 20000) for the mean.
    assertThat(mean(uniform)).isCloseTo(1, within(5 * Math.sqrt(64 / 12.0 / 20_000)));

    double[] normal = Rng.of(2).normal(Shape.of(20_000), 10, 2).toDoubleArray();
    assertThat(mean(normal)).isCloseTo(10, within(5 * 2 / Math.sqrt(20_000)));
    double mean = mean(normal);
    double variance = mean(Arrays.stream(normal).map(x -> (x - mean) * (x - mean)).toArray());
    assertThat(variance).isCloseTo(4, within(5 * 4 * Math.sqrt(2.0 / 20_000)));
  }

  private static double mean(double[] values) {
    return Arrays.stream(values).average().orElseThrow();
  }

  @Test
  void dtypeAndDeviceCanBeChosen() {
    Tensor drawn = Rng.of(3).normal(Shape.of(5), 0, 1, DType.F64, Device.reference());
    assertThat(drawn.dtype()).isEqualTo(DType.F64);
    assertThat(drawn.device()).isEqualTo(Device.reference());
    assertThatThrownBy(() -> Rng.of(3).uniform(Shape.of(5), 0, 1, DType.I32, Device.cpu()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("random_uniform: needs a float dtype, found I32[5]");
  }

  @Test
  void forksDependOnSeedAndStreamOnly() {
    Rng rng = Rng.of(5);
    Rng before = rng.fork(3);
    rng.uniform(100);
    assertThat(rng.fork(3).state()).isEqualTo(before.state());
  }

  @Test
  void forksSplitsAndTheSourceItselfDiffer() {
    Rng rng = Rng.of(5);
    Set<Long> seeds = new HashSet<>(Set.of(5L));
    for (int stream = 0; stream < 1000; stream++) {
      assertThat(seeds.add(rng.fork(stream).state().seed())).isTrue();
      assertThat(seeds.add(rng.split().state().seed())).isTrue();
    }
  }

  @Test
  void parallelDrawsNeverShareACounter() throws InterruptedException {
    Rng rng = Rng.of(9);
    Thread[] threads = new Thread[8];
    for (int t = 0; t < threads.length; t++) {
      threads[t] =
          Thread.ofPlatform()
              .start(
                  () -> {
                    for (int i = 0; i < 200; i++) {
                      rng.uniform(5);
                    }
                  });
    }
    for (Thread thread : threads) {
      thread.join();
    }
    assertThat(rng.state().counter()).isEqualTo(8 * 200 * 2);
  }

  @Property(tries = 100)
  void permutationsHoldEveryNumberOnce(@ForAll long seed, @ForAll @IntRange(max = 300) int count) {
    long[] order = Rng.of(seed).permutation(count);
    long[] sorted = order.clone();
    Arrays.sort(sorted);
    for (int i = 0; i < count; i++) {
      assertThat(sorted[i]).isEqualTo(i);
    }
  }

  @Test
  void allPermutationsAreEquallyLikely() {
    Rng rng = Rng.of(11);
    int[] counts = new int[24];
    int draws = 24_000;
    for (int i = 0; i < draws; i++) {
      long[] p = rng.permutation(4);
      int index = 0;
      for (int a = 0; a < 4; a++) {
        int smaller = 0;
        for (int b = a + 1; b < 4; b++) {
          smaller += p[b] < p[a] ? 1 : 0;
        }
        index = index * (4 - a) + smaller;
      }
      counts[index]++;
    }
    double chiSquare =
        Arrays.stream(counts).mapToDouble(c -> (c - 1000.0) * (c - 1000) / 1000).sum();
    // 23 degrees of freedom: 49.7 is passed once in a thousand seeds; the seed is fixed.
    assertThat(chiSquare).isLessThan(49.7);
  }

  @Test
  void wrongRangesAreRefused() {
    Rng rng = Rng.of(1);
    assertThatThrownBy(() -> rng.uniform(Shape.of(2), 5, 1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("uniform: low 5.0 is not at most high 1.0");
    assertThatThrownBy(() -> rng.normal(Shape.of(2), 0, -1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("normal: the deviation must be 0 or more, found -1.0");
    assertThatThrownBy(() -> rng.permutation(-1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("permutation: the count must be 0 or more, found -1");
  }
}
