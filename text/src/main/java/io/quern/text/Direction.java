package io.quern.text;

/** An end of a sequence of tokens. */
public enum Direction {
  /** The beginning. */
  LEFT,
  /** The end. */
  RIGHT
}
