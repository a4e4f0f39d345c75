package io.quern.text;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;

/** Tokenizer files. */
final class Examples {
  private Examples() {}

  /** A file of one of the jars on the test class path. */
  static String resource(String name) {
    try (InputStream in = Examples.class.getResourceAsStream("/" + name)) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static String miniLm() {
    return resource("all-minilm-l6-v2-q-tokenizer.json");
  }

  static String bge() {
    return resource("bge-small-en-v1.5-q-tokenizer.json");
  }
}
