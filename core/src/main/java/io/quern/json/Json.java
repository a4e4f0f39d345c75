package io.quern.json;

import java.io.StringWriter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.json.JsonFactory;

/**
 * Reads and writes JSON as plain values: {@code Map<String, Object>} in the order of the text,
 * {@code List<Object>}, {@code String}, {@code Long}, {@code Double}, {@code Boolean} and null.
 */
public final class Json {
  /** Makes parsers that refuse duplicate names, and generators. */
  public static final JsonFactory FACTORY =
      JsonFactory.builder().enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION).build();

  private Json() {}

  /**
   * The value that {@code text} holds.
   *
   * @throws tools.jackson.core.JacksonException if it is not well-formed, repeats a name, or has
   *     more than one value
   */
  public static @Nullable Object parse(String text) {
    try (JsonParser parser = FACTORY.createParser(ObjectReadContext.empty(), text)) {
      parser.nextToken();
      Object value = value(parser);
      if (parser.nextToken() != null) {
        throw new tools.jackson.core.exc.StreamReadException(
            parser, "more than one value", parser.currentTokenLocation());
      }
      return value;
    }
  }

  private static @Nullable Object value(JsonParser parser) {
    return switch (parser.currentToken()) {
      case START_OBJECT -> {
        Map<String, @Nullable Object> map = new LinkedHashMap<>();
        for (String name = parser.nextName(); name != null; name = parser.nextName()) {
          parser.nextToken();
          map.put(name, value(parser));
        }
        yield map;
      }
      case START_ARRAY -> {
        List<@Nullable Object> list = new ArrayList<>();
        while (parser.nextToken() != JsonToken.END_ARRAY) {
          list.add(value(parser));
        }
        yield list;
      }
      case VALUE_STRING -> parser.getString();
      case VALUE_NUMBER_INT -> parser.getLongValue();
      case VALUE_NUMBER_FLOAT -> parser.getDoubleValue();
      case VALUE_TRUE -> true;
      case VALUE_FALSE -> false;
      case VALUE_NULL -> null;
      case null, default ->
          throw new tools.jackson.core.exc.StreamReadException(
              parser, "no value", parser.currentTokenLocation());
    };
  }

  /** The JSON text of a value of the kinds that {@link #parse} gives, or of any Number. */
  public static String write(@Nullable Object value) {
    StringWriter text = new StringWriter();
    try (JsonGenerator generator = FACTORY.createGenerator(ObjectWriteContext.empty(), text)) {
      write(generator, value);
    }
    return text.toString();
  }

  private static void write(JsonGenerator generator, @Nullable Object value) {
    switch (value) {
      case null -> generator.writeNull();
      case Map<?, ?> map -> {
        generator.writeStartObject();
        map.forEach(
            (name, each) -> {
              generator.writeName((String) name);
              write(generator, each);
            });
        generator.writeEndObject();
      }
      case Iterable<?> list -> {
        generator.writeStartArray();
        list.forEach(each -> write(generator, each));
        generator.writeEndArray();
      }
      case String string -> generator.writeString(string);
      case Boolean bool -> generator.writeBoolean(bool);
      case Double number -> generator.writeNumber(number);
      case Float number -> generator.writeNumber(number.doubleValue());
      case Number number -> generator.writeNumber(number.longValue());
      default ->
          throw new IllegalArgumentException("json: cannot write a " + value.getClass().getName());
    }
  }
}
