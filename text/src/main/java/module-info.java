/** Tokenizers: text to the numbers that language models read, and back; embeddings of texts. */
module io.quern.text {
  requires transitive io.quern;
  requires tools.jackson.core;
  requires static transitive org.jspecify;

  exports io.quern.text;
}
