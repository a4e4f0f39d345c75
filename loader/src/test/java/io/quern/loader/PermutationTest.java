package io.quern.loader;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.stream.LongStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.LongRange;
import org.junit.jupiter.api.Test;

class PermutationTest {
  private static long[] all(int size, long seed, long epoch) {
    Permutation permutation = new Permutation(size, seed, epoch);
    return LongStream.range(0, size).map(permutation::at).toArray();
  }

  @Property
  void sendsEveryPositionToAnotherOne(
      @ForAll @IntRange(max = 3000) int size, @ForAll long seed, @ForAll @LongRange long epoch) {
    long[] sorted = LongStream.of(all(size, seed, epoch)).sorted().toArray();

    assertThat(sorted).isEqualTo(LongStream.range(0, size).toArray());
  }

  @Property
  void dependsOnSeedAndEpochAlone(
      @ForAll @IntRange(min = 30, max = 300) int size,
      @ForAll long seed,
      @ForAll @LongRange(max = 1000) long epoch) {
    long[] order = all(size, seed, epoch);

    assertThat(all(size, seed, epoch)).isEqualTo(order);
    assertThat(all(size, seed, epoch + 1)).isNotEqualTo(order);
    assertThat(all(size, seed + 1, epoch)).isNotEqualTo(order);
    assertThat(all(size, seed + 1, epoch)).isNotEqualTo(all(size, seed, epoch + 1));
  }

  @Property
  void staysInRangeForHugeSizes(
      @ForAll @LongRange(min = 1) long size, @ForAll @LongRange long position, @ForAll long seed) {
    long at = new Permutation(size, seed, 0).at(position % size);

    assertThat(at).isBetween(0L, size - 1);
  }

  @Test
  void keepsItsOrderForEver() {
    assertThat(all(10, 42, 0)).containsExactly(0, 4, 6, 2, 1, 9, 3, 5, 8, 7);
    assertThat(all(10, 42, 1)).containsExactly(7, 2, 4, 5, 0, 3, 1, 8, 6, 9);
    assertThat(new Permutation(60_000, -1, 7).at(0)).isEqualTo(9694);
    assertThat(new Permutation(1L << 40, -1, 7).at(0)).isEqualTo(158_021_850_635L);
  }

  /** 24 permutations of 4, 24,000 draws: chi-squared with 23 degrees of freedom. */
  @Test
  void choosesAmongAllPermutationsEvenly() {
    Map<String, Integer> counts = new HashMap<>();
    for (int epoch = 0; epoch < 24_000; epoch++) {
      counts.merge(Arrays.toString(all(4, 1, epoch)), 1, Integer::sum);
    }

    assertThat(counts).hasSize(24);
    assertThat(chiSquared(counts.values().stream().mapToInt(i -> i).toArray())).isLessThan(49.7);
  }

  /** Where the first of 100 goes, over 20,000 seeds: 99 degrees of freedom. */
  @Test
  void sendsAPositionAnywhere() {
    int[] first = new int[100];
    int[] last = new int[100];
    for (int seed = 0; seed < 20_000; seed++) {
      Permutation permutation = new Permutation(100, seed, 3);
      first[(int) permutation.at(0)]++;
      last[(int) permutation.at(99)]++;
    }

    assertThat(chiSquared(first)).isLessThan(149);
    assertThat(chiSquared(last)).isLessThan(149);
  }

  /** Neighbours in a shuffled epoch are as far apart as two random examples. */
  @Test
  void leavesNoTraceOfTheSourceOrder() {
    int size = 60_000;
    long[] order = all(size, 42, 0);
    for (int lag : new int[] {1, 2, 7, 128}) {
      double product = 0;
      for (int i = 0; i + lag < size; i++) {
        product += (order[i] / (double) size - 0.5) * (order[i + lag] / (double) size - 0.5);
      }
      double correlation = 12 * product / (size - lag);
      assertThat(Math.abs(correlation)).isLessThan(4.5 / Math.sqrt(size));
    }
  }

  private static double chiSquared(int[] counts) {
    double expected = Arrays.stream(counts).average().orElseThrow();
    return Arrays.stream(counts)
        .mapToDouble(count -> (count - expected) * (count - expected) / expected)
        .sum();
  }
}
