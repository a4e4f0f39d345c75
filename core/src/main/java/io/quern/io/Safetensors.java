package io.quern.io;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.TensorScope;
import io.quern.grad.Tape;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Files of named tensors in the <a
 * href="https://github.com/huggingface/safetensors#format">safetensors</a> format: the length of a
 * JSON header (64 bits, little-endian), the header, and the tensors' elements in row-major order.
 *
 * <p>Opening a file maps it and checks all that the header claims, so that a file that opens can be
 * read; nothing is copied before a tensor is asked for. Thread-safe but for {@link #close}.
 */
public final class Safetensors implements AutoCloseable {
  private static final int CHUNK = 1 << 22;

  private final Path path;
  private final Arena arena;
  private final MemorySegment data;
  private final SafetensorsHeader header;

  private Safetensors(Path path, Arena arena, MemorySegment data, SafetensorsHeader header) {
    this.path = path;
    this.arena = arena;
    this.data = data;
    this.header = header;
  }

  /**
   * What the header says about one tensor.
   *
   * @param type the format's name of the element type, such as {@code F32} or {@code F8_E4M3}
   * @param shape the dimensions
   * @param begin first byte, counted from the end of the header
   * @param end byte after the last one
   */
  public record Entry(String type, Shape shape, long begin, long end) {
    /** The element type, unless it is one that tensors do not have here. */
    public Optional<DType> dtype() {
      return Optional.ofNullable(SafetensorsHeader.dtype(type));
    }
  }

  /**
   * Opens a file for reading.
   *
   * @throws FormatException if the file does not hold what the format demands
   * @throws UncheckedIOException if the file cannot be read
   */
  @SuppressWarnings("MustBeClosedChecker") // owned by the result
  public static Safetensors open(Path path) {
    requireLittleEndian();
    Arena arena = Arena.ofShared();
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
      SafetensorsHeader header = SafetensorsHeader.parse(path, json, data.byteSize());
      return new Safetensors(path, arena, data, header);
    } catch (IOException e) {
      arena.close();
      throw new UncheckedIOException(
          path + ": cannot be read (" + e + "); check the path and its permissions", e);
    } catch (InternalError e) {
      arena.close();
      throw shrunk(path, e);
    } catch (RuntimeException e) {
      arena.close();
      throw e;
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

  private static void requireLittleEndian() {
    if (ByteOrder.nativeOrder() != ByteOrder.LITTLE_ENDIAN) {
      throw new UnsupportedOperationException(
          "safetensors: only machines with little-endian byte order are supported");
    }
  }

  private static FormatException shrunk(Path path, InternalError cause) {
    return new FormatException(
        path, "became shorter while it was read", "do not write over files in use", cause);
  }

  /** The strings that the writer attached to the file, in the order of the file. */
  public Map<String, String> metadata() {
    return Collections.unmodifiableMap(header.metadata());
  }

  /** All tensors by name, in the order of their data. */
  public Map<String, Entry> entries() {
    return Collections.unmodifiableMap(header.entries());
  }

  /**
   * Copies one tensor to the CPU.
   *
   * @throws IllegalArgumentException if there is no tensor of that name; the message lists some
   * @throws FormatException if its element type has no {@link DType}, or a BOOL is not 0 or 1
   */
  public Tensor tensor(String name) {
    Entry entry = header.entries().get(name);
    if (entry == null) {
      List<String> some = header.entries().keySet().stream().limit(20).toList();
      throw new IllegalArgumentException(
          "safetensors: "
              + path
              + " has no tensor '"
              + name
              + "', it has "
              + header.entries().size()
              + " such as "
              + some);
    }
    DType dtype = entry.dtype().orElse(null);
    if (dtype == null) {
      throw new FormatException(
          path,
          "tensor '" + name + "' has elements of type " + entry.type() + ", which is not supported",
          "convert it to one of " + List.of(DType.values()));
    }
    MemorySegment bytes = data.asSlice(entry.begin(), entry.end() - entry.begin());
    try {
      if (dtype == DType.BOOL) {
        checkBooleans(name, bytes);
      }
      return Tensor.fromSegment(bytes, dtype, entry.shape());
    } catch (InternalError e) {
      throw shrunk(path, e);
    }
  }

  private void checkBooleans(String name, MemorySegment bytes) {
    for (long i = 0; i < bytes.byteSize(); i++) {
      byte value = bytes.get(ValueLayout.JAVA_BYTE, i);
      if (value != 0 && value != 1) {
        throw new FormatException(
            path,
            "tensor '" + name + "' of BOOL has the value " + value + " at position " + i,
            "expected 0 or 1; store it as I8 if that is meant");
      }
    }
  }

  /** Releases the mapping; tensors that were read stay valid. */
  @Override
  public void close() {
    arena.close();
  }

  /** Reads all tensors of a file; see {@link #open} for the errors. */
  public static Map<String, Tensor> read(Path path) {
    try (Safetensors file = open(path)) {
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      for (String name : file.entries().keySet()) {
        tensors.put(name, file.tensor(name));
      }
      return tensors;
    }
  }

  /**
   * Writes tensors to a file, which is replaced in one step (see {@link AtomicFile}). As in the
   * format's reference implementation, wider element types come first and equal ones are sorted by
   * name, so that all elements are aligned; the same tensors give the same bytes.
   *
   * @param metadata strings to attach, may be empty
   * @throws UncheckedIOException if the file cannot be written; an old file is unchanged then
   */
  public static void write(Path path, Map<String, Tensor> tensors, Map<String, String> metadata) {
    requireLittleEndian();
    if (tensors.containsKey(SafetensorsHeader.METADATA)) {
      throw new IllegalArgumentException(
          "safetensors: no tensor may have the name " + SafetensorsHeader.METADATA);
    }
    Map<String, Entry> entries = new LinkedHashMap<>();
    long[] end = {0};
    tensors.entrySet().stream()
        .sorted(
            Comparator.comparingInt(
                    (Map.Entry<String, Tensor> each) -> -each.getValue().dtype().bytes())
                .thenComparing(Map.Entry::getKey))
        .forEach(
            each -> {
              Tensor tensor = each.getValue();
              long begin = end[0];
              end[0] = Math.addExact(begin, tensor.spec().byteSize());
              entries.put(
                  each.getKey(), new Entry(tensor.dtype().name(), tensor.shape(), begin, end[0]));
            });
    byte[] head = SafetensorsHeader.encode(entries, metadata);
    AtomicFile.write(
        path,
        channel -> {
          writeFully(channel, ByteBuffer.wrap(head));
          for (String name : entries.keySet()) {
            writeElements(channel, tensors.get(name));
          }
        });
  }

  private static void writeElements(WritableByteChannel channel, Tensor tensor) throws IOException {
    try (Arena arena = Arena.ofConfined();
        TensorScope _ = TensorScope.open("writing a file")) {
      Tensor flat =
          Tape.withoutRecording(() -> tensor.contiguous().reshape(Shape.of(tensor.size())));
      MemorySegment chunk = arena.allocate(Math.min(CHUNK, flat.spec().byteSize()));
      int step = CHUNK / tensor.dtype().bytes();
      for (long from = 0; from < flat.size(); from += step) {
        long first = from;
        long to = Math.min(from + step, flat.size());
        MemorySegment part = chunk.asSlice(0, flat.dtype().byteSize(to - from));
        Tape.withoutRecording(() -> flat.slice(0, first, to)).copyTo(part);
        writeFully(channel, part.asByteBuffer());
      }
    }
  }

  private static void writeFully(WritableByteChannel channel, ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) {
      channel.write(bytes);
    }
  }
}
