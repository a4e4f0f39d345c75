package io.quern.onnx;

import io.quern.io.FormatException;
import io.quern.io.Unreadable;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/** Files beside a model that hold elements of its tensors. They must lie in the model's folder. */
final class ExternalData {
  private final Object source;
  private final @Nullable Path folder;
  private final Map<Path, MemorySegment> files = new ConcurrentHashMap<>();

  /** Files of the model {@code source} in {@code folder}; without one there can be none. */
  ExternalData(Object source, @Nullable Path folder) {
    this.source = source;
    this.folder = folder;
  }

  /** Maps a file as long as it is used. */
  static MemorySegment map(Path path) {
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
      return channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), Arena.ofAuto());
    } catch (IOException e) {
      throw Unreadable.file(path, e);
    }
  }

  /** The bytes that a tensor refers to by the keys location, offset and length. */
  MemorySegment bytes(String tensor, Map<String, String> entry) {
    String location = entry.getOrDefault("location", "");
    MemorySegment file = files.computeIfAbsent(inside(tensor, location), ExternalData::map);
    long offset = number(tensor, entry, "offset", 0);
    long rest = file.byteSize() - offset;
    long length = number(tensor, entry, "length", Math.max(0, rest));
    if (rest < 0 || length > rest) {
      throw new FormatException(
          source,
          "tensor '"
              + tensor
              + "' claims bytes "
              + offset
              + " to "
              + (offset + length)
              + " of '"
              + location
              + "', which has "
              + file.byteSize(),
          "the file of elements is truncated or belongs to another model");
    }
    return file.asSlice(offset, length);
  }

  private Path inside(String tensor, String location) {
    if (folder == null) {
      throw refused(tensor, location, "the model was not read from a folder");
    }
    Path path;
    try {
      path = Path.of(location);
    } catch (InvalidPathException e) {
      throw refused(tensor, location, "that is not a path");
    }
    if (location.isEmpty()
        || path.isAbsolute()
        || !folder.resolve(path).normalize().startsWith(folder.normalize())) {
      throw refused(tensor, location, "only files in the model's folder are read");
    }
    try {
      Path real = folder.resolve(path).toRealPath();
      if (!real.startsWith(folder.toRealPath())) {
        throw refused(tensor, location, "the link leads out of the model's folder");
      }
      return real;
    } catch (IOException e) {
      throw new FormatException(
          source,
          "tensor '" + tensor + "' has its elements in '" + location + "' (" + e + ")",
          "put the file of elements beside the model",
          e);
    }
  }

  private FormatException refused(String tensor, String location, String why) {
    return new FormatException(
        source, "tensor '" + tensor + "' has its elements in '" + location + "'", why);
  }

  private long number(String tensor, Map<String, String> entry, String key, long fallback) {
    String text = entry.get(key);
    if (text == null) {
      return fallback;
    }
    try {
      long value = Long.parseLong(text);
      if (value >= 0) {
        return value;
      }
    } catch (NumberFormatException e) {
      // told below
    }
    throw new FormatException(
        source,
        "tensor '" + tensor + "' has external " + key + " '" + text + "', expected a number",
        "the file is corrupt");
  }
}
