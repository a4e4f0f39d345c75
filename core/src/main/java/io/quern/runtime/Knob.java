package io.quern.runtime;

import java.util.List;
import java.util.Locale;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * A setting: the system property {@code name} or, when that is absent, the environment variable of
 * the same name in capitals with underscores ({@code quern.threads}, {@code QUERN_THREADS}), else
 * {@code fallback}. It is read whenever it is asked for; most owners ask once. Knobs are declared
 * beside the code they steer.
 */
public record Knob(String name, String fallback, String purpose) {
  private static final List<Knob> ALL = new CopyOnWriteArrayList<>();

  /** Declares a knob. */
  public static Knob of(String name, String fallback, String purpose) {
    Knob knob = new Knob(name, fallback, purpose);
    ALL.add(knob);
    return knob;
  }

  /** All knobs whose owners are loaded. */
  public static List<Knob> all() {
    return List.copyOf(ALL);
  }

  /** The value in force. */
  public String value() {
    String property = System.getProperty(name);
    if (property != null) {
      return property;
    }
    String variable = System.getenv(name.toUpperCase(Locale.ROOT).replace('.', '_'));
    return variable != null ? variable : fallback;
  }

  /** The value as a whole number; suffixes k, m, g, t multiply by powers of 1024. */
  public long longValue() {
    return parse(name, value());
  }

  /** The number that {@code value} of the setting {@code name} stands for. */
  static long parse(String name, String value) {
    String text = value.strip().toLowerCase(Locale.ROOT);
    int shift =
        switch (text.isEmpty() ? ' ' : text.charAt(text.length() - 1)) {
          case 'k' -> 10;
          case 'm' -> 20;
          case 'g' -> 30;
          case 't' -> 40;
          default -> 0;
        };
    try {
      String digits = shift == 0 ? text : text.substring(0, text.length() - 1);
      return Math.multiplyExact(Long.parseLong(digits), 1L << shift);
    } catch (ArithmeticException | NumberFormatException e) {
      throw new IllegalArgumentException(
          name + ": expected a whole number such as 4 or 512m, found " + value, e);
    }
  }

  /** The value as a number from {@code least} to {@code most}. */
  public int intValue(int least, int most) {
    long value = longValue();
    if (value < least || value > most) {
      throw new IllegalArgumentException(
          name + ": expected " + least + " to " + most + ", found " + value);
    }
    return (int) value;
  }

  /**
   * Whether the value is {@code on}, {@code true} or {@code 1}, in any case.
   *
   * @throws IllegalArgumentException if it is none of these, nor {@code off}, {@code false} or
   *     {@code 0}
   */
  public boolean isOn() {
    return switch (value().strip().toLowerCase(Locale.ROOT)) {
      case "on", "true", "1" -> true;
      case "off", "false", "0" -> false;
      default ->
          throw new IllegalArgumentException(name + ": expected on or off, found " + value());
    };
  }
}
