package io.quern.onnx;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.Channels;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * Collects one message of the protobuf wire format; what {@link ProtoReader} reads. Large contents
 * stay where they are until the message is written.
 */
final class ProtoWriter {
  private static final int VARINT = 0;
  private static final int BYTES = 2;
  private static final int FIXED32 = 5;

  /** What the message begins with; {@link #end} follows. */
  private final List<Part> parts = new ArrayList<>();

  private long partBytes;
  private ByteArrayOutputStream end = new ByteArrayOutputStream();

  /** Writes a known number of bytes. */
  @FunctionalInterface
  interface Content {
    void writeTo(WritableByteChannel channel) throws IOException;
  }

  private record Part(long size, Content content) {}

  /** An integer, or a bool or an enum. */
  ProtoWriter varint(int field, long value) {
    raw((long) field << 3 | VARINT);
    raw(value);
    return this;
  }

  ProtoWriter float32(int field, float value) {
    raw((long) field << 3 | FIXED32);
    end.writeBytes(ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putFloat(value).array());
    return this;
  }

  /** Text in UTF-8. */
  ProtoWriter string(int field, String value) {
    return bytes(field, value.getBytes(StandardCharsets.UTF_8));
  }

  ProtoWriter bytes(int field, byte[] value) {
    raw((long) field << 3 | BYTES);
    raw(value.length);
    end.writeBytes(value);
    return this;
  }

  /** A field of {@code size} bytes that are written when the message is. */
  ProtoWriter content(int field, long size, Content content) {
    raw((long) field << 3 | BYTES);
    raw(size);
    add(new Part(size, content));
    return this;
  }

  /** A message as it is now. */
  ProtoWriter message(int field, ProtoWriter value) {
    raw((long) field << 3 | BYTES);
    raw(value.size());
    value.parts.forEach(this::add);
    end.writeBytes(value.end.toByteArray());
    return this;
  }

  private void add(Part part) {
    byte[] before = end.toByteArray();
    end = new ByteArrayOutputStream();
    parts.add(new Part(before.length, channel -> writeFully(channel, before)));
    parts.add(part);
    partBytes += before.length + part.size;
  }

  private void raw(long value) {
    long rest = value;
    while ((rest & ~0x7FL) != 0) {
      end.write((int) ((rest & 0x7F) | 0x80));
      rest >>>= 7;
    }
    end.write((int) rest);
  }

  /** Number of bytes. */
  long size() {
    return partBytes + end.size();
  }

  /** Writes the message. */
  void writeTo(WritableByteChannel channel) throws IOException {
    for (Part part : parts) {
      part.content.writeTo(channel);
    }
    writeFully(channel, end.toByteArray());
  }

  private static void writeFully(WritableByteChannel channel, byte[] bytes) throws IOException {
    ByteBuffer rest = ByteBuffer.wrap(bytes);
    while (rest.hasRemaining()) {
      channel.write(rest);
    }
  }

  /** The message in memory. */
  byte[] toBytes() {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try {
      writeTo(Channels.newChannel(out));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return out.toByteArray();
  }
}
