package io.quern.cuda;

import java.util.ArrayList;
import java.util.List;

/** What a launch passes to its function, in order: numbers, and addresses of operands. */
final class Parameters {
  private final List<Long> words = new ArrayList<>();
  private final List<Integer> starts = new ArrayList<>();
  private final List<Integer> operands = new ArrayList<>();
  private final List<Integer> operandWords = new ArrayList<>();
  private final List<TileMap> maps = new ArrayList<>();

  private Parameters add(long... values) {
    starts.add(words.size());
    for (long value : values) {
      words.add(value);
    }
    return this;
  }

  /** The address of an operand's first element. */
  Parameters operand(int index) {
    operands.add(index);
    operandWords.add(words.size());
    return add(0);
  }

  /** A {@code long long}, or a narrower integer. */
  Parameters number(long value) {
    return add(value);
  }

  /** A {@code float}. */
  Parameters number(float value) {
    return add(Float.floatToRawIntBits(value));
  }

  /** A struct of numbers of 64 bits. */
  Parameters struct(long... values) {
    return add(values);
  }

  /** How copies of tiles see an operand, worked out anew for each launch. */
  Parameters tileMap(TileMap map) {
    while (words.size() % TileMap.WORDS != 0) {
      words.add(0L);
    }
    maps.add(map.at(words.size()));
    return add(new long[TileMap.WORDS]);
  }

  List<TileMap> maps() {
    return List.copyOf(maps);
  }

  /** The numbers, with gaps where addresses go, 8 bytes or a multiple for each parameter. */
  long[] words() {
    return words.stream().mapToLong(Long::longValue).toArray();
  }

  /** For each parameter the index of its first word. */
  int[] starts() {
    return starts.stream().mapToInt(Integer::intValue).toArray();
  }

  /** For each address the operand. */
  int[] operands() {
    return operands.stream().mapToInt(Integer::intValue).toArray();
  }

  /** For each address its word. */
  int[] operandWords() {
    return operandWords.stream().mapToInt(Integer::intValue).toArray();
  }
}
