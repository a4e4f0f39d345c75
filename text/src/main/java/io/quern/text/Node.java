package io.quern.text;

import io.quern.io.FormatException;
import io.quern.json.Json;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;

/**
 * A value of a file with its place in it, so that complaints name both.
 *
 * @param kind the name of such files
 */
record Node(String source, String kind, String place, @Nullable Object value) {
  /** The value that a whole file holds. */
  static Node parse(String source, String kind, String json) {
    try {
      return new Node(source, kind, "", Json.parse(json));
    } catch (JacksonException e) {
      throw new FormatException(
          source, "malformed JSON: " + e.getOriginalMessage(), "is this a " + kind + "?", e);
    }
  }

  FormatException error(String problem) {
    return new FormatException(
        source, place.isEmpty() ? problem : place + ": " + problem, "is this a " + kind + "?");
  }

  FormatException unsupported(String kind, String found, String supported) {
    return new FormatException(
        source,
        (place.isEmpty() ? "" : place + ": ") + "unknown " + kind + " " + found,
        "supported are " + supported);
  }

  boolean isNull() {
    return value == null;
  }

  /** The member of an object; a null value if it is not there. */
  Node get(String name) {
    return new Node(source, kind, place.isEmpty() ? name : place + "." + name, object().get(name));
  }

  @SuppressWarnings("unchecked")
  Map<String, @Nullable Object> object() {
    if (value instanceof Map<?, ?> map) {
      return (Map<String, @Nullable Object>) map;
    }
    throw expected("an object");
  }

  List<Node> list() {
    List<Node> nodes = new ArrayList<>();
    for (Object each : raw()) {
      nodes.add(new Node(source, kind, place + "[" + nodes.size() + "]", each));
    }
    return nodes;
  }

  /** The elements as they are, for lists of many. */
  List<?> raw() {
    if (value instanceof List<?> list) {
      return list;
    }
    throw expected("a list");
  }

  /** The list at a name; empty if there is none. */
  List<Node> list(String name) {
    Node node = get(name);
    return node.isNull() ? List.of() : node.list();
  }

  String text() {
    if (value instanceof String string) {
      return string;
    }
    throw expected("a string");
  }

  String text(String name) {
    return get(name).text();
  }

  @Nullable String textOrNull(String name) {
    Node node = get(name);
    return node.isNull() ? null : node.text();
  }

  /** The single character at a name. */
  int codePoint(String name) {
    String text = text(name);
    if (text.isEmpty() || text.length() != Character.charCount(text.codePointAt(0))) {
      throw get(name).expected("one character");
    }
    return text.codePointAt(0);
  }

  int integer() {
    if (value instanceof Long number && number >= 0 && number <= Integer.MAX_VALUE) {
      return number.intValue();
    }
    throw expected("a whole number from 0 to 2147483647");
  }

  int integer(String name, int otherwise) {
    Node node = get(name);
    return node.isNull() ? otherwise : node.integer();
  }

  boolean flag(String name, boolean otherwise) {
    Node node = get(name);
    if (node.isNull()) {
      return otherwise;
    }
    if (node.value instanceof Boolean bool) {
      return bool;
    }
    throw node.expected("true or false");
  }

  /** The constant whose name in the file, such as {@code LongestFirst}, a node holds. */
  <E extends Enum<E>> E constant(Class<E> type) {
    for (E each : type.getEnumConstants()) {
      if (each.name().replace("_", "").equalsIgnoreCase(text())) {
        return each;
      }
    }
    throw expected("one of " + List.of(type.getEnumConstants()));
  }

  private FormatException expected(String what) {
    String found = String.valueOf(value);
    return error(
        "expected %s, found %s".formatted(what, found.substring(0, Math.min(40, found.length()))));
  }
}
