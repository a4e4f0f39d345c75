package io.quern.text;

/** Puts delimiters, and what is between them, together as a {@link Behavior} asks for. */
final class Splitter {
  private final Behavior behavior;
  private final Text text;
  private final PreTokenizer.Sink out;
  private int start = -1;
  private int end;
  private boolean wasDelimiter;

  Splitter(Behavior behavior, Text text, PreTokenizer.Sink out) {
    this.behavior = behavior;
    this.text = text;
    this.out = out;
  }

  /** Takes the next range, which begins where the last one ended. */
  void add(int from, int to, boolean isDelimiter) {
    switch (behavior) {
      case REMOVED -> {
        if (!isDelimiter) {
          emit(from, to);
        }
      }
      case ISOLATED -> emit(from, to);
      case CONTIGUOUS -> join(from, to, isDelimiter == wasDelimiter);
      case MERGED_WITH_PREVIOUS -> join(from, to, isDelimiter && !wasDelimiter);
      case MERGED_WITH_NEXT -> join(from, to, wasDelimiter && !isDelimiter);
    }
    wasDelimiter = isDelimiter;
  }

  private void join(int from, int to, boolean withLast) {
    if (start < 0 || !withLast) {
      finish();
      start = from;
    }
    end = to;
  }

  /** Hands on what is left. */
  void finish() {
    if (start >= 0) {
      emit(start, end);
    }
  }

  private void emit(int from, int to) {
    if (from < to) {
      out.accept(text, from, to);
    }
  }
}
