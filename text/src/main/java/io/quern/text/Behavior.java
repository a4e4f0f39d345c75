package io.quern.text;

/** What becomes of the delimiters where text is split. */
enum Behavior {
  REMOVED,
  ISOLATED,
  CONTIGUOUS,
  MERGED_WITH_PREVIOUS,
  MERGED_WITH_NEXT
}
