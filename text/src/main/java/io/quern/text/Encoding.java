package io.quern.text;

import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The tokens of a text or of a pair of texts. The arrays have one element per token and belong to
 * the caller: the tokenizer keeps none of them.
 *
 * <p>Offsets are indices of UTF-16 characters in the string that was given, as in {@link
 * String#substring(int, int)}. In a pair they refer to the text the token comes from. Tokens that
 * stand for nothing in a text have 0 and 0.
 */
public final class Encoding {
  private final int[] ids;
  private final int[] typeIds;
  private final int[] attentionMask;
  private final int[] specialTokensMask;
  private final long[] spans;

  private Encoding(int length) {
    ids = new int[length];
    typeIds = new int[length];
    attentionMask = new int[length];
    specialTokensMask = new int[length];
    spans = new long[length];
  }

  /** The tokens of all parts, filled up to {@code length} if that is more. */
  static Encoding of(List<Part> parts, int length, @Nullable Padding padding) {
    int size = size(parts);
    Encoding encoding = new Encoding(Math.max(size, length));
    int pads = encoding.size() - size;
    int at = padding != null && padding.direction() == Direction.LEFT ? pads : 0;
    if (padding != null && pads > 0) {
      encoding.pad(at == 0 ? size : 0, pads, padding);
    }
    for (Part part : parts) {
      int end = at + part.tokens().size();
      part.tokens().copyIds(encoding.ids, at);
      part.tokens().copySpans(encoding.spans, at);
      Arrays.fill(encoding.typeIds, at, end, part.type());
      Arrays.fill(encoding.attentionMask, at, end, 1);
      Arrays.fill(encoding.specialTokensMask, at, end, part.isSpecial() ? 1 : 0);
      at = end;
    }
    return encoding;
  }

  static int size(List<Part> parts) {
    int size = 0;
    for (Part part : parts) {
      size += part.tokens().size();
    }
    return size;
  }

  private void pad(int at, int count, Padding padding) {
    Arrays.fill(ids, at, at + count, padding.id());
    Arrays.fill(typeIds, at, at + count, padding.typeId());
    Arrays.fill(specialTokensMask, at, at + count, 1);
  }

  /** The number of tokens. */
  public int size() {
    return ids.length;
  }

  /** The tokens. */
  public int[] ids() {
    return ids;
  }

  /** Which of the texts each token belongs to, as the model wants it told. */
  public int[] typeIds() {
    return typeIds;
  }

  /** 1 for tokens, 0 for padding. */
  public int[] attentionMask() {
    return attentionMask;
  }

  /** 1 for tokens that were added to those of the text, 0 for others. */
  public int[] specialTokensMask() {
    return specialTokensMask;
  }

  /** Where in the text the token at {@code index} starts. */
  public int start(int index) {
    return Text.start(spans[index]);
  }

  /** Where in the text the token at {@code index} ends. */
  public int end(int index) {
    return Text.end(spans[index]);
  }

  @Override
  public String toString() {
    return "Encoding" + Arrays.toString(ids);
  }
}
