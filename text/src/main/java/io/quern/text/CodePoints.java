package io.quern.text;

import java.util.Arrays;

/** A set of code points, written as ranges in hexadecimal: {@code "41-5A 5F"}. */
final class CodePoints {
  private final int[] starts;
  private final int[] ends;

  CodePoints(String ranges) {
    String[] parts = ranges.split(" ", -1);
    starts = new int[parts.length];
    ends = new int[parts.length];
    for (int i = 0; i < parts.length; i++) {
      String[] limits = parts[i].split("-", -1);
      starts[i] = Integer.parseInt(limits[0], 16);
      ends[i] = Integer.parseInt(limits[limits.length - 1], 16);
    }
  }

  boolean contains(int codePoint) {
    int at = Arrays.binarySearch(starts, codePoint);
    return at >= 0 || (at < -1 && codePoint <= ends[-at - 2]);
  }
}
