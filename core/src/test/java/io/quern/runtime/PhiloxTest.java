package io.quern.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Philox4x32-10 against the known answers that its authors publish (Random123, kat_vectors). */
class PhiloxTest {
  @ParameterizedTest
  @CsvSource({
    "00000000 00000000 00000000 00000000, 00000000 00000000, 6627e8d5 e169c58d bc57ac4c 9b00dbd8",
    "ffffffff ffffffff ffffffff ffffffff, ffffffff ffffffff, 408f276d 41c83b0e a20bc7c6 6d5451fd",
    "243f6a88 85a308d3 13198a2e 03707344, a4093822 299f31d0, d16cfe09 94fdcceb 5001e420 24126ea1",
  })
  void knownAnswers(String counter, String key, String expected) {
    int[] counters = words(counter);
    int[] keys = words(key);
    int[] block = new int[4];
    Philox.block(
        both(keys[0], keys[1]),
        both(counters[0], counters[1]),
        both(counters[2], counters[3]),
        block);
    assertThat(block).containsExactly(words(expected));
  }

  @Test
  void wordIsPartOfTheBlock() {
    long[] numbers = {0, 1, -1, 0x1_0000_0000L, 0xFEDC_BA98_7654_3210L};
    int[] block = new int[4];
    for (long seed : numbers) {
      for (long counter : numbers) {
        Philox.block(seed, counter, 0, block);
        for (int lane = 0; lane < 4; lane++) {
          assertThat(Philox.word(seed, counter, lane)).isEqualTo(block[lane]);
        }
      }
    }
  }

  private static long both(int low, int high) {
    return (long) high << 32 | Integer.toUnsignedLong(low);
  }

  private static int[] words(String text) {
    return java.util.Arrays.stream(text.split(" "))
        .mapToInt(word -> Integer.parseUnsignedInt(word, 16))
        .toArray();
  }
}
