package io.quern.io;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** One mapped file of tensors whose header has been checked. */
record SafetensorsShard(Path path, MemorySegment data, SafetensorsHeader header) {

  /** Maps a file for the lifetime of an arena. */
  static SafetensorsShard open(Path path, Arena arena) {
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
      long size = channel.size();
      if (size < Long.BYTES) {
        throw new FormatException(
            path,
            "has " + size + " bytes, a safetensors file begins with 8 bytes of header length",
            "the file is truncated or not a safetensors file");
      }
      MemorySegment all = channel.map(FileChannel.MapMode.READ_ONLY, 0, size, arena);
      long length = headerLength(path, all);
      byte[] json = all.asSlice(Long.BYTES, length).toArray(ValueLayout.JAVA_BYTE);
      MemorySegment data = all.asSlice(Long.BYTES + length);
      return new SafetensorsShard(path, data, SafetensorsHeader.parse(path, json, data.byteSize()));
    } catch (IOException e) {
      throw Unreadable.file(path, e);
    } catch (InternalError e) {
      throw shrunk(path, e);
    }
  }

  private static long headerLength(Path path, MemorySegment all) {
    long length = all.get(ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), 0);
    if (length < 0 || length > SafetensorsHeader.MOST_BYTES) {
      throw new FormatException(
          path,
          "claims a header of "
              + Long.toUnsignedString(length)
              + " bytes, at most "
              + SafetensorsHeader.MOST_BYTES
              + " are allowed",
          "the file is corrupt or not a safetensors file");
    }
    if (length > all.byteSize() - Long.BYTES) {
      throw new FormatException(
          path,
          "claims a header of " + length + " bytes, but has only " + all.byteSize() + " bytes",
          "the file is truncated or not a safetensors file");
    }
    return length;
  }

  static FormatException shrunk(Path path, InternalError cause) {
    return new FormatException(
        path, "became shorter while it was read", "do not write over files in use", cause);
  }
}
