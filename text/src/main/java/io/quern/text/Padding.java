package io.quern.text;

/**
 * How short results are filled up.
 *
 * @param length the length to fill up to; 0 for that of the longest result of a batch
 * @param multipleOf the length is rounded up to a multiple of this; 0 for any
 * @param direction where the filling goes
 * @param id the id to fill with
 * @param typeId its type id
 */
public record Padding(int length, int multipleOf, Direction direction, int id, int typeId) {
  /** Checks the numbers. */
  public Padding {
    if (length < 0 || multipleOf < 0 || id < 0 || typeId < 0) {
      throw new IllegalArgumentException(
          "tokenizer: padding has negative numbers: length=%d multipleOf=%d id=%d typeId=%d"
              .formatted(length, multipleOf, id, typeId));
    }
  }

  static Padding parse(Node node) {
    Node strategy = node.get("strategy");
    boolean isLongest = strategy.value() instanceof String name && name.equals("BatchLongest");
    Node direction = node.get("direction");
    return new Padding(
        isLongest ? 0 : strategy.get("Fixed").integer(),
        node.integer("pad_to_multiple_of", 0),
        direction.isNull() ? Direction.RIGHT : direction.constant(Direction.class),
        node.integer("pad_id", 0),
        node.integer("pad_type_id", 0));
  }

  /** The length to fill up to where the longest result has {@code longest}. */
  int target(int longest) {
    int target = length == 0 ? longest : length;
    int rest = multipleOf == 0 ? 0 : target % multipleOf;
    return rest == 0 ? target : target + multipleOf - rest;
  }
}
