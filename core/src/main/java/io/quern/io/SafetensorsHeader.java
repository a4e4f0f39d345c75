package io.quern.io;

import io.quern.DType;
import io.quern.Shape;
import io.quern.json.Json;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonEncoding;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.ObjectWriteContext;

/** The JSON header of a safetensors file: reads, checks and writes it. */
final class SafetensorsHeader {
  static final String METADATA = "__metadata__";

  /** Limit of the reference implementation for the header's bytes. */
  static final int MOST_BYTES = 100_000_000;

  private static final String REMEDY =
      "the file is corrupt or not a safetensors file, fetch or write it again";

  /** Bits of one element by the format's name of the type. */
  private static final Map<String, Integer> BITS =
      Map.ofEntries(
          Map.entry("BOOL", 8),
          Map.entry("F4", 4),
          Map.entry("F6_E2M3", 6),
          Map.entry("F6_E3M2", 6),
          Map.entry("U8", 8),
          Map.entry("I8", 8),
          Map.entry("F8_E5M2", 8),
          Map.entry("F8_E4M3", 8),
          Map.entry("F8_E8M0", 8),
          Map.entry("I16", 16),
          Map.entry("U16", 16),
          Map.entry("F16", 16),
          Map.entry("BF16", 16),
          Map.entry("I32", 32),
          Map.entry("U32", 32),
          Map.entry("F32", 32),
          Map.entry("C64", 64),
          Map.entry("F64", 64),
          Map.entry("I64", 64),
          Map.entry("U64", 64));

  private final Object source;
  private final Map<String, String> metadata = new LinkedHashMap<>();
  private final Map<String, Safetensors.Entry> entries = new LinkedHashMap<>();

  private SafetensorsHeader(Object source) {
    this.source = source;
  }

  Map<String, String> metadata() {
    return metadata;
  }

  /** The tensors in the order of their data. */
  Map<String, Safetensors.Entry> entries() {
    return entries;
  }

  /** Reads a header that describes {@code dataBytes} bytes of data. */
  static SafetensorsHeader parse(Object source, byte[] json, long dataBytes) {
    SafetensorsHeader header = new SafetensorsHeader(source);
    String text = header.decode(json);
    try (JsonParser parser = Json.FACTORY.createParser(ObjectReadContext.empty(), text)) {
      header.read(parser);
    } catch (JacksonException e) {
      throw header.failure("the header is not valid JSON (" + e.getOriginalMessage() + ")", e);
    }
    header.sortAndCheckCoverage(dataBytes);
    return header;
  }

  private FormatException failure(String problem, @Nullable Throwable cause) {
    return new FormatException(source, problem, REMEDY, cause);
  }

  private void require(boolean holds, String tensor, String problem) {
    if (!holds) {
      throw failure("tensor '" + tensor + "' " + problem, null);
    }
  }

  private String decode(byte[] json) {
    if (json.length == 0 || json[0] != '{') {
      throw failure("the header must begin with '{'", null);
    }
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(json)).toString();
    } catch (CharacterCodingException e) {
      throw failure("the header is not valid UTF-8", e);
    }
  }

  private void read(JsonParser parser) {
    parser.nextToken();
    for (String name = parser.nextName(); name != null; name = parser.nextName()) {
      JsonToken token = parser.nextToken();
      if (token != JsonToken.START_OBJECT) {
        throw failure("'" + name + "' must be an object, found " + token, null);
      }
      if (name.equals(METADATA)) {
        readMetadata(parser);
      } else {
        entries.put(name, readEntry(parser, name));
      }
    }
    if (parser.nextToken() != null) {
      throw failure("the header has more than one JSON value", null);
    }
  }

  private void readMetadata(JsonParser parser) {
    for (String name = parser.nextName(); name != null; name = parser.nextName()) {
      JsonToken token = parser.nextToken();
      if (token != JsonToken.VALUE_STRING) {
        throw failure("metadata '" + name + "' must be a string, found " + token, null);
      }
      metadata.put(name, parser.getString());
    }
  }

  private Safetensors.Entry readEntry(JsonParser parser, String tensor) {
    String dtype = null;
    long[] shape = null;
    long[] offsets = null;
    for (String name = parser.nextName(); name != null; name = parser.nextName()) {
      JsonToken token = parser.nextToken();
      switch (name) {
        case "dtype" -> {
          require(token == JsonToken.VALUE_STRING, tensor, "has a dtype that is not a string");
          dtype = parser.getString();
        }
        case "shape" -> shape = readLongs(parser, tensor, name);
        case "data_offsets" -> offsets = readLongs(parser, tensor, name);
        default -> parser.skipChildren();
      }
    }
    if (dtype == null || shape == null || offsets == null) {
      String missing = dtype == null ? "dtype" : shape == null ? "shape" : "data_offsets";
      throw failure("tensor '" + tensor + "' has no " + missing, null);
    }
    return entry(tensor, dtype, shape, offsets);
  }

  private long[] readLongs(JsonParser parser, String tensor, String name) {
    require(
        parser.currentToken() == JsonToken.START_ARRAY,
        tensor,
        "has a " + name + " that is no array");
    List<Long> values = new ArrayList<>();
    while (parser.nextToken() != JsonToken.END_ARRAY) {
      boolean isInteger = parser.currentToken() == JsonToken.VALUE_NUMBER_INT;
      boolean fits = isInteger && parser.getNumberType() != JsonParser.NumberType.BIG_INTEGER;
      require(
          fits && parser.getLongValue() >= 0,
          tensor,
          "has a "
              + name
              + " with "
              + abridge(parser.getString())
              + ", expected whole numbers from 0 to 2^63 - 1");
      values.add(parser.getLongValue());
    }
    return values.stream().mapToLong(Long::longValue).toArray();
  }

  private static String abridge(String text) {
    return text.length() <= 40 ? text : text.substring(0, 40) + "...";
  }

  private Safetensors.Entry entry(String tensor, String dtype, long[] dims, long[] offsets) {
    Integer bits = BITS.get(dtype);
    if (bits == null) {
      throw failure("tensor '" + tensor + "' has the unknown dtype " + abridge(dtype), null);
    }
    require(offsets.length == 2, tensor, "has " + offsets.length + " data_offsets, expected 2");
    long length = offsets[1] - offsets[0];
    require(length >= 0, tensor, "ends at " + offsets[1] + " before it begins at " + offsets[0]);
    Shape shape;
    long expectedBits;
    try {
      shape = Shape.of(dims);
      expectedBits = Math.multiplyExact(shape.size(), bits);
    } catch (IllegalArgumentException | ArithmeticException e) {
      throw failure(
          "tensor '"
              + tensor
              + "' has more than 2^63 - 1 elements or bits, shape "
              + abridge(java.util.Arrays.toString(dims)),
          e);
    }
    require(
        expectedBits % 8 == 0 && expectedBits / 8 == length,
        tensor,
        "of " + dtype + shape + " takes " + expectedBits / 8 + " bytes, but has " + length);
    return new Safetensors.Entry(dtype, shape, offsets[0], offsets[1]);
  }

  /** The format demands that the tensors cover the data without gaps and overlaps. */
  private void sortAndCheckCoverage(long dataBytes) {
    List<Map.Entry<String, Safetensors.Entry>> sorted = new ArrayList<>(entries.entrySet());
    sorted.sort(
        Map.Entry.comparingByValue(
            Comparator.comparingLong(Safetensors.Entry::begin)
                .thenComparingLong(Safetensors.Entry::end)));
    entries.clear();
    long end = 0;
    String before = "the header";
    for (Map.Entry<String, Safetensors.Entry> each : sorted) {
      String name = each.getKey();
      Safetensors.Entry entry = each.getValue();
      require(
          entry.begin() >= end,
          name,
          "begins at " + entry.begin() + " and overlaps '" + before + "', which ends at " + end);
      require(
          entry.begin() == end,
          name,
          "begins at " + entry.begin() + ", a hole after '" + before + "', which ends at " + end);
      require(
          entry.end() <= dataBytes,
          name,
          "ends at "
              + entry.end()
              + ", but the file has only "
              + dataBytes
              + " bytes of data (truncated?)");
      entries.put(name, entry);
      end = entry.end();
      before = name;
    }
    if (end != dataBytes) {
      throw failure("the tensors take " + end + " bytes, but the file has " + dataBytes, null);
    }
  }

  /** The bytes before the data: length of the JSON, and the JSON padded to a multiple of 8. */
  static byte[] encode(Map<String, Safetensors.Entry> entries, Map<String, String> metadata) {
    ByteArrayOutputStream json = new ByteArrayOutputStream();
    try (JsonGenerator generator =
        Json.FACTORY.createGenerator(ObjectWriteContext.empty(), json, JsonEncoding.UTF8)) {
      generator.writeStartObject();
      if (!metadata.isEmpty()) {
        generator.writeName(METADATA);
        generator.writeStartObject();
        metadata.forEach(generator::writeStringProperty);
        generator.writeEndObject();
      }
      entries.forEach((name, entry) -> write(generator, name, entry));
      generator.writeEndObject();
    }
    while (json.size() % 8 != 0) {
      json.write(' ');
    }
    if (json.size() > MOST_BYTES) {
      throw new IllegalArgumentException(
          "safetensors: the header would take "
              + json.size()
              + " bytes, the format allows "
              + MOST_BYTES);
    }
    return ByteBuffer.allocate(Long.BYTES + json.size())
        .order(java.nio.ByteOrder.LITTLE_ENDIAN)
        .putLong(json.size())
        .put(json.toByteArray())
        .array();
  }

  private static void write(JsonGenerator generator, String name, Safetensors.Entry entry) {
    generator.writeName(name);
    generator.writeStartObject();
    generator.writeStringProperty("dtype", entry.type());
    generator.writeName("shape");
    writeArray(generator, entry.shape().toArray());
    generator.writeName("data_offsets");
    writeArray(generator, entry.begin(), entry.end());
    generator.writeEndObject();
  }

  private static void writeArray(JsonGenerator generator, long... values) {
    generator.writeStartArray();
    for (long value : values) {
      generator.writeNumber(value);
    }
    generator.writeEndArray();
  }

  /** Our type of that name, or null when there is none. */
  static @Nullable DType dtype(String type) {
    for (DType dtype : DType.values()) {
      if (dtype.name().equals(type)) {
        return dtype;
      }
    }
    return null;
  }
}
