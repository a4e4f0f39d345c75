package io.quern.text;

import org.jspecify.annotations.Nullable;

/**
 * How long results may be, special tokens included.
 *
 * @param maxLength the most tokens
 * @param strategy which of two texts is cut
 * @param direction the end that is cut off
 */
public record Truncation(int maxLength, Strategy strategy, Direction direction) {
  /** Which of two texts is cut. */
  public enum Strategy {
    /** The longer one, then both. */
    LONGEST_FIRST,
    /** The first. */
    ONLY_FIRST,
    /** The second. */
    ONLY_SECOND
  }

  /** Checks the length. */
  public Truncation {
    if (maxLength < 0) {
      throw new IllegalArgumentException("tokenizer: maxLength is " + maxLength);
    }
  }

  static Truncation parse(Node node) {
    Node direction = node.get("direction");
    return new Truncation(
        node.get("max_length").integer(),
        node.get("strategy").constant(Strategy.class),
        direction.isNull() ? Direction.RIGHT : direction.constant(Direction.class));
  }

  /** Cuts the tokens of one or two texts to {@code limit} together. */
  void apply(Tokens first, @Nullable Tokens second, int limit) {
    int total = first.size() + (second == null ? 0 : second.size());
    int excess = total - limit;
    if (excess <= 0) {
      return;
    }
    if (limit == 0) {
      cut(first, 0);
      if (second != null) {
        cut(second, 0);
      }
      return;
    }
    if (strategy == Strategy.LONGEST_FIRST) {
      cutLonger(first, second, limit);
      return;
    }
    Tokens target = strategy == Strategy.ONLY_FIRST ? first : second;
    if (target == null || target.size() <= excess) {
      throw new IllegalArgumentException(
          "tokenizer: %s cannot cut %d tokens off: %s"
              .formatted(
                  strategy,
                  excess,
                  target == null
                      ? "there is no second text"
                      : "the text has " + target.size() + " tokens"));
    }
    cut(target, target.size() - excess);
  }

  private void cutLonger(Tokens first, @Nullable Tokens second, int limit) {
    if (second == null) {
      cut(first, limit);
      return;
    }
    int shorter = Math.min(first.size(), second.size());
    int longer = Math.max(shorter, limit - shorter);
    if (shorter + longer > limit) {
      shorter = limit / 2;
      longer = limit - shorter;
    }
    boolean isFirstLonger = first.size() > second.size();
    cut(first, isFirstLonger ? longer : shorter);
    cut(second, isFirstLonger ? shorter : longer);
  }

  private void cut(Tokens tokens, int size) {
    if (direction == Direction.RIGHT) {
      tokens.keepFirst(size);
    } else {
      tokens.keepLast(size);
    }
  }
}
