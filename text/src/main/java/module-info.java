/** Tokenizers: text to the numbers that language models read, and back. */
module io.quern.text {
  requires io.quern;
  requires tools.jackson.core;
  requires static transitive org.jspecify;

  exports io.quern.text;
}
