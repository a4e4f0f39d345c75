package io.quern.text;

import java.util.List;

/**
 * A run of tokens on its way to an {@link Encoding}: those of one of the texts, or special ones.
 *
 * @param tokens the tokens
 * @param text the text that they stand for; empty for special ones
 * @param type the type id of all of them
 * @param isSpecial whether they were added
 */
record Part(Tokens tokens, String text, int type, boolean isSpecial) {
  /** Special tokens, which stand for nothing. */
  static Part special(List<Integer> ids, int type) {
    Tokens tokens = new Tokens(ids.size());
    for (int id : ids) {
      tokens.add(id, 0);
    }
    return new Part(tokens, "", type, true);
  }

  Part withType(int newType) {
    return new Part(tokens, text, newType, isSpecial);
  }
}
