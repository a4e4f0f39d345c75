package io.quern.gpu;

import java.util.ArrayList;
import java.util.List;

/** What a launch passes to its function, in order: numbers, and addresses of operands. */
public final class Parameters {
  private final List<Long> words = new ArrayList<>();
  private final List<Integer> starts = new ArrayList<>();
  private final List<Integer> sizes = new ArrayList<>();
  private final List<Integer> operands = new ArrayList<>();
  private final List<Integer> operandWords = new ArrayList<>();
  private final List<Late> lates = new ArrayList<>();

  /** No parameters yet. */
  public Parameters() {}

  private Parameters add(int bytes, long... values) {
    starts.add(words.size());
    sizes.add(bytes);
    for (long value : values) {
      words.add(value);
    }
    return this;
  }

  /** The address of an operand's first element. */
  public Parameters operand(int index) {
    return operand(index, 0);
  }

  /** The address so many bytes behind that of an operand's first element. */
  public Parameters operand(int index, long offset) {
    operands.add(index);
    operandWords.add(words.size());
    return address(offset);
  }

  /** An address of device memory, 0 for none. */
  public Parameters address(long address) {
    return add(0, address);
  }

  /** An integer of 64 bits. */
  public Parameters number(long value) {
    return add(Long.BYTES, value);
  }

  /** A {@code float}. */
  public Parameters number(float value) {
    return add(Float.BYTES, Float.floatToRawIntBits(value));
  }

  /** A struct of integers of 64 bits. */
  public Parameters struct(long... values) {
    return add(Long.BYTES * values.length, values);
  }

  /**
   * A value that depends on the address of an operand.
   *
   * @param count its words, at a multiple of as many
   */
  public Parameters late(int operand, int count, LateValue value) {
    while (words.size() % count != 0) {
      words.add(0L);
    }
    lates.add(new Late(operand, words.size(), value));
    return add(Long.BYTES * count, new long[count]);
  }

  /** A value that is worked out anew for each launch. */
  public interface LateValue {
    /**
     * Writes the value.
     *
     * @param operand address of the operand's first element
     * @param to host address of the value
     */
    void write(long operand, long to);
  }

  /**
   * A late value among the parameters.
   *
   * @param word index of its first word
   */
  record Late(int operand, int word, LateValue value) {}

  List<Late> lates() {
    return List.copyOf(lates);
  }

  /** The numbers, and what is added to addresses, 8 bytes or a multiple for each parameter. */
  long[] words() {
    return words.stream().mapToLong(Long::longValue).toArray();
  }

  /** For each parameter the index of its first word. */
  int[] starts() {
    return ints(starts);
  }

  /** For each parameter its bytes, 0 for an address. */
  int[] sizes() {
    return ints(sizes);
  }

  /** For each operand's address the operand. */
  int[] operands() {
    return ints(operands);
  }

  /** For each operand's address its word. */
  int[] operandWords() {
    return ints(operandWords);
  }

  private static int[] ints(List<Integer> values) {
    return values.stream().mapToInt(Integer::intValue).toArray();
  }
}
