package io.quern.runtime;

import java.util.Locale;

/** How much is told about what happens inside, on standard error: from nothing, 0, to all, 6. */
public final class DebugLevel {
  /** The highest level. */
  private static final int MOST = 6;

  private static final Knob LEVEL =
      Knob.of(
          "quern.debug",
          "0",
          "0 to 6: what compiled functions print, from plans to values; from 1 (or on) the quern"
              + " command shows stack traces and all log lines");

  private DebugLevel() {}

  /**
   * The level in force; {@code on} is 1 and {@code off} is 0.
   *
   * @throws IllegalArgumentException if the knob has another value than those and 0 to 6
   */
  public static int inForce() {
    return parse(LEVEL.value());
  }

  /** The level that a value of the knob stands for. */
  static int parse(String value) {
    String text = value.strip().toLowerCase(Locale.ROOT);
    return switch (text) {
      case "on", "true" -> 1;
      case "off", "false", "" -> 0;
      default -> {
        if (text.length() != 1 || text.charAt(0) < '0' || text.charAt(0) > '0' + MOST) {
          throw new IllegalArgumentException(
              LEVEL.name() + ": expected 0 to " + MOST + ", on or off, found " + value);
        }
        yield text.charAt(0) - '0';
      }
    };
  }
}
