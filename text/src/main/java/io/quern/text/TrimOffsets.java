package io.quern.text;

import java.util.List;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/**
 * Takes white space off both ends of what tokens stand for.
 *
 * @param prefix whether the pre-tokenizer adds a space in front, which stands for nothing
 * @param tokens the token of an id of the model; null for added tokens, which are as in the text
 */
record TrimOffsets(boolean prefix, IntFunction<@Nullable String> tokens) implements PostProcessor {
  @Override
  public List<Part> process(List<Part> parts, boolean special) {
    for (Part part : parts) {
      for (int i = 0; i < part.tokens().size(); i++) {
        trim(part.tokens(), i, part.text());
      }
    }
    return parts;
  }

  @Override
  public int added(boolean isPair) {
    return 0;
  }

  private void trim(Tokens list, int index, String text) {
    int start = Text.start(list.span(index));
    int end = Text.end(list.span(index));
    String known = tokens.apply(list.id(index));
    String token = known == null ? text.substring(start, Math.max(start, end)) : known;
    int leading = 0;
    while (leading < token.length() && ByteLevel.isSpace(token.charAt(leading))) {
      leading++;
    }
    int trailing = 0;
    while (trailing < token.length()
        && ByteLevel.isSpace(token.charAt(token.length() - 1 - trailing))) {
      trailing++;
    }
    if (leading == 0 && trailing == 0) {
      return;
    }
    boolean isPrefix = prefix && leading == 1 && (index == 0 || start == 0);
    for (int i = isPrefix ? 1 : 0; i < leading && start < end; i++) {
      start += Character.charCount(text.codePointAt(start));
    }
    if (trailing <= end && trailing <= text.codePointCount(0, end)) {
      for (int i = 0; i < trailing && start < end; i++) {
        end -= Character.charCount(text.codePointBefore(end));
      }
    }
    list.setSpan(index, Text.span(start, end));
  }
}
