package io.quern.onnx;

import io.quern.io.FormatException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/**
 * Reads one message of the <a href="https://protobuf.dev/programming-guides/encoding/">protobuf
 * wire format</a> field by field, without copies. Every length is checked against the bytes that
 * are there, so a hostile message costs no more than its own size.
 *
 * <pre>{@code
 * while (reader.next()) {
 *   switch (reader.field()) {
 *     case 1 -> version = reader.varint();
 *     case 7 -> graph = parse(reader.message());
 *     default -> reader.skip();
 *   }
 * }
 * }</pre>
 */
final class ProtoReader {
  private static final int VARINT = 0;
  private static final int FIXED64 = 1;
  private static final int BYTES = 2;
  private static final int FIXED32 = 5;

  /** Messages within messages, as protobuf's own readers allow. */
  private static final int DEEPEST = 100;

  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private final Object source;
  private final MemorySegment bytes;
  private final long start;
  private final long end;
  private final int depth;
  private long at;
  private long tagAt;
  private int field;
  private int wireType;

  /** A reader of the message that fills {@code bytes}; errors name {@code source}. */
  ProtoReader(Object source, MemorySegment bytes) {
    this(source, bytes, 0, bytes.byteSize(), 0);
  }

  private ProtoReader(Object source, MemorySegment bytes, long start, long end, int depth) {
    this.source = source;
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    this.at = start;
    this.depth = depth;
  }

  /** Goes on to the next field, which must then be read or skipped; false at the end. */
  boolean next() {
    if (at == end) {
      return false;
    }
    tagAt = at;
    long tag = rawVarint();
    field = (int) (tag >>> 3);
    wireType = (int) (tag & 7);
    if (tag >>> 32 != 0 || field == 0) {
      throw error("a field number " + (tag >>> 3), "1 to 2^29 - 1");
    }
    return true;
  }

  /** Number of the current field. */
  int field() {
    return field;
  }

  /** Where this message begins in the file. */
  long position() {
    return start;
  }

  /** An integer, or a bool or an enum. */
  long varint() {
    require(VARINT, "an integer");
    return rawVarint();
  }

  /** An integer that fits 32 bits; others are cut off, as the format demands. */
  int int32() {
    return (int) varint();
  }

  /** A float. */
  float float32() {
    require(FIXED32, "a float");
    return Float.intBitsToFloat(fixed32());
  }

  /** Text in UTF-8. */
  String string() {
    return new String(bytes().toArray(ValueLayout.JAVA_BYTE), StandardCharsets.UTF_8);
  }

  /** Bytes, in place. */
  MemorySegment bytes() {
    long length = length("bytes");
    return bytes.asSlice(at - length, length);
  }

  /** Passes over a field of some length, which is given. */
  private long length(String what) {
    require(BYTES, what);
    long length = rawVarint();
    if (length < 0 || length > end - at) {
      throw error(
          "a length of " + Long.toUnsignedString(length),
          "at most the " + (end - at) + " bytes that are left");
    }
    at += length;
    return length;
  }

  /** A reader of the message in the current field. */
  ProtoReader message() {
    long length = length("a message");
    if (depth == DEEPEST) {
      throw error("messages nested deeper", "at most " + DEEPEST + " levels");
    }
    return new ProtoReader(source, bytes, at - length, at, depth + 1);
  }

  /** Adds the integers of a repeated field, which is packed or not. */
  void varints(Numbers into) {
    if (wireType == VARINT) {
      into.add(rawVarint());
      return;
    }
    ProtoReader packed = packed("integers");
    while (packed.at < packed.end) {
      into.add(packed.rawVarint());
    }
  }

  /** Adds the floats of a repeated field, as their bits. */
  void floats(Numbers into) {
    if (wireType == FIXED32) {
      into.add(fixed32());
      return;
    }
    ProtoReader packed = packed("floats");
    while (packed.at < packed.end) {
      into.add(packed.fixed32());
    }
  }

  /** Adds the doubles of a repeated field, as their bits. */
  void doubles(Numbers into) {
    if (wireType == FIXED64) {
      into.add(fixed64());
      return;
    }
    ProtoReader packed = packed("doubles");
    while (packed.at < packed.end) {
      into.add(packed.fixed64());
    }
  }

  private ProtoReader packed(String what) {
    long length = length(what);
    return new ProtoReader(source, bytes, at - length, at, depth);
  }

  /** Passes over the current field. */
  void skip() {
    switch (wireType) {
      case VARINT -> rawVarint();
      case FIXED64 -> fixed64();
      case BYTES -> length("bytes");
      case FIXED32 -> fixed32();
      default -> throw error("wire type " + wireType, "0, 1, 2 or 5");
    }
  }

  private void require(int expected, String what) {
    if (wireType != expected) {
      throw error(
          "field " + field + " with wire type " + wireType, what + ", wire type " + expected);
    }
  }

  private long rawVarint() {
    long value = 0;
    for (int shift = 0; shift < 70; shift += 7) {
      if (at == end) {
        throw error("the end within a number", "more bytes");
      }
      byte next = bytes.get(ValueLayout.JAVA_BYTE, at++);
      value |= (long) (next & 0x7F) << shift;
      if (next >= 0) {
        return value;
      }
    }
    throw error("a number of more than 10 bytes", "10 bytes at most");
  }

  private int fixed32() {
    requireRoom(Integer.BYTES);
    at += Integer.BYTES;
    return bytes.get(INT, at - Integer.BYTES);
  }

  private long fixed64() {
    requireRoom(Long.BYTES);
    at += Long.BYTES;
    return bytes.get(LONG, at - Long.BYTES);
  }

  private void requireRoom(long count) {
    if (end - at < count) {
      throw error((end - at) + " bytes", count + " bytes of a number");
    }
  }

  /** The complaint that {@code found} is in the current field. */
  FormatException error(String found, String expected) {
    return new FormatException(
        source,
        "at byte " + tagAt + " found " + found + ", expected " + expected,
        "the file is truncated, corrupt or not an ONNX file");
  }
}
