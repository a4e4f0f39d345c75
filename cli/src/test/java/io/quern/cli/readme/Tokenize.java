package io.quern.cli.readme;

import io.quern.text.Encoding;
import io.quern.text.Tokenizer;
import java.nio.file.Path;

final class Tokenize {
  private Tokenize() {}

  static String run() {
    // README: tokenize
    Tokenizer tokenizer = Tokenizer.load(Path.of("tokenizer.json"));
    Encoding encoding = tokenizer.encode("How do I mend a bicycle?");
    int[] ids = encoding.ids();
    String text = tokenizer.decode(ids, true);
    // README: end
    return text;
  }
}
