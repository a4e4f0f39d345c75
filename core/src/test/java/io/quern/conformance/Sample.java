package io.quern.conformance;

/**
 * Which of many alike cases run where they take long: some, or all where {@code quern.test.all} is
 * set.
 */
public final class Sample {
  private static final boolean IS_ALL = Boolean.getBoolean("quern.test.all");

  private Sample() {}

  /** Whether nothing is left out. */
  public static boolean isAll() {
    return IS_ALL;
  }

  /** Whether a case, by its number, is one of those of which there is one in {@code every}. */
  public static boolean has(int number, int every) {
    return IS_ALL || number % every == 0;
  }
}
