package io.quern.text;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/** Regular expressions of the Oniguruma library in its Ruby syntax, as patterns of the JDK. */
final class Regex {
  private static final int FLAGS =
      Pattern.UNICODE_CHARACTER_CLASS | Pattern.MULTILINE | Pattern.UNIX_LINES;

  // Oniguruma's \w has no joiners; outside of classes it has the superscripts of Latin-1.
  private static final String WORD = "[\\w²³¹¼-¾&&[^\\u200C\\u200D]]";
  private static final String NO_WORD = "[\\W\\u200C\\u200D&&[^²³¹¼-¾]]";
  private static final String WORD_IN_CLASS = "[\\w&&[^\\u200C\\u200D]]";
  private static final String NO_WORD_IN_CLASS = "\\W\\u200C\\u200D";

  /** Never matches, but lets the JDK look behind far enough for surrogate pairs. */
  private static final String WIDER = "|(?!).{16}";

  private static final String BOUNDARY =
      "(?:(?<=%1$s%2$s)(?!%1$s)|(?<!%1$s%2$s)(?=%1$s))".formatted(WORD, WIDER);
  private static final String NO_BOUNDARY =
      "(?:(?<=%1$s%2$s)(?=%1$s)|(?<!%1$s%2$s)(?!%1$s))".formatted(WORD, WIDER);

  /** Receives the range of each match. */
  interface Matches {
    void match(int start, int end);
  }

  private Regex() {}

  /** A pattern {@code {"String": literal}} or {@code {"Regex": expression}}. */
  static Pattern parse(Node node) {
    String literal = node.textOrNull("String");
    if (literal != null) {
      return Pattern.compile(Pattern.quote(literal));
    }
    String expression = node.textOrNull("Regex");
    if (expression == null) {
      throw node.unsupported("pattern", String.valueOf(node.value()), "String and Regex");
    }
    try {
      return compile(expression);
    } catch (PatternSyntaxException e) {
      throw node.error(e.getMessage());
    }
  }

  static Pattern compile(String expression) {
    return Pattern.compile(translate(expression), FLAGS);
  }

  /**
   * Calls {@code matches} for every match. As in Oniguruma's iterator, and unlike {@link
   * Matcher#find()}, an empty match right after another one is skipped.
   */
  static void forEach(Pattern pattern, String string, Matches matches) {
    Matcher matcher = pattern.matcher(string);
    int last = -1;
    for (int at = 0; at <= string.length() && matcher.find(at); ) {
      if (matcher.end() == matcher.start() && matcher.end() == last) {
        at = last < string.length() ? string.offsetByCodePoints(last, 1) : last + 1;
        continue;
      }
      matches.match(matcher.start(), matcher.end());
      last = at = matcher.end();
    }
  }

  /** Writes what the two syntaxes have in different ways, and refuses what cannot be written. */
  private static String translate(String expression) {
    StringBuilder out = new StringBuilder();
    Deque<Boolean> groups = new ArrayDeque<>();
    int depth = 0;
    for (int i = 0; i < expression.length(); i++) {
      char c = expression.charAt(i);
      if (c == '\\' && i + 1 < expression.length()) {
        i = escape(expression, i + 1, depth > 0, out);
        continue;
      }
      if (expression.startsWith("[:", i) && depth > 0) {
        i = bracket(expression, i, out);
        continue;
      }
      depth += c == '[' ? 1 : c == ']' && depth > 0 ? -1 : 0;
      if (depth == 0) {
        if (c == '(') {
          groups.push(expression.startsWith("?<=", i + 1) || expression.startsWith("?<!", i + 1));
        } else if (c == ')' && !groups.isEmpty() && groups.pop()) {
          out.append(WIDER);
        } else if (c == '}') {
          checkInterval(expression, i);
        }
      }
      out.append(expression.startsWith("{,", i) && depth == 0 ? "{0" : c);
    }
    return out.toString();
  }

  /** In Oniguruma {@code x{1,2}+} is not possessive, and {@code x{2}?} may be absent. */
  private static void checkInterval(String expression, int close) {
    boolean isFixed = expression.lastIndexOf(',', close) < expression.lastIndexOf('{', close);
    if (expression.startsWith("+", close + 1)
        || (isFixed && expression.startsWith("?", close + 1))) {
      throw new PatternSyntaxException("an interval that is repeated itself", expression, close);
    }
  }

  private static int escape(String expression, int at, boolean inClass, StringBuilder out) {
    switch (expression.charAt(at)) {
      case 'h' -> out.append(inClass ? "0-9a-fA-F" : "[0-9a-fA-F]");
      case 'H' -> out.append("[^0-9a-fA-F]");
      case 'v' -> out.append("\\x0B");
      case 'w' -> out.append(inClass ? WORD_IN_CLASS : WORD);
      case 'W' -> out.append(inClass ? NO_WORD_IN_CLASS : NO_WORD);
      case 'b' -> out.append(inClass ? "\\x08" : BOUNDARY);
      case 'B' -> out.append(NO_BOUNDARY);
      case 'X' -> throw new PatternSyntaxException("\\X is not supported", expression, at);
      case 'x' -> {
        int close = expression.startsWith("{", at + 1) ? expression.indexOf('}', at) : at;
        out.append('\\').append(expression, at, Math.max(at, close) + 1);
        return Math.max(at, close);
      }
      case 'p', 'P' -> {
        int close = expression.indexOf('}', at);
        if (!expression.startsWith("{", at + 1) || close < 0) {
          throw new PatternSyntaxException("a property without braces", expression, at);
        }
        out.append(property(expression.charAt(at), expression.substring(at + 2, close)));
        return close;
      }
      default -> out.append('\\').append(expression.charAt(at));
    }
    return at;
  }

  /** A property: a general category or, as the JDK wants it told, a script or other property. */
  private static String property(char kind, String name) {
    boolean negated = name.startsWith("^") != (kind == 'P');
    String plain = name.startsWith("^") ? name.substring(1) : name;
    String escape = negated ? "\\P{" : "\\p{";
    for (String prefix : new String[] {"", "Is"}) {
      try {
        Pattern.compile(escape + prefix + plain + "}");
        return escape + prefix + plain + "}";
      } catch (PatternSyntaxException e) {
        // The next one, or the exception below.
      }
    }
    throw new PatternSyntaxException("unknown property " + name, name, 0);
  }

  /** A class such as {@code [:alpha:]} inside of brackets. */
  private static int bracket(String expression, int at, StringBuilder out) {
    int close = expression.indexOf(":]", at);
    if (close < 0) {
      throw new PatternSyntaxException("an open [:", expression, at);
    }
    String name = expression.substring(at + 2, close);
    boolean negated = name.startsWith("^");
    String plain = negated ? name.substring(1) : name;
    String members =
        switch (plain) {
          case "word" -> WORD_IN_CLASS;
          case "ascii" -> "\\x00-\\x7F";
          case "xdigit" -> "0-9a-fA-F";
          case "punct" -> "\\p{P}\\p{S}";
          case "alpha",
              "alnum",
              "blank",
              "cntrl",
              "digit",
              "graph",
              "lower",
              "print",
              "space",
              "upper" ->
              "\\p{%S%s}".formatted(plain.charAt(0), plain.substring(1));
          default -> throw new PatternSyntaxException("unknown class " + name, expression, at);
        };
    out.append(negated ? "[^" : "[").append(members).append(']');
    return close + 1;
  }
}
