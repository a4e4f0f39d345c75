package io.quern.io;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
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
 * read; nothing is copied before a tensor is asked for. A model that was split into several files
 * is opened by its index, {@code model.safetensors.index.json}, and read as if it were one.
 * Thread-safe but for {@link #close}.
 */
public final class Safetensors implements AutoCloseable {
  private final Path path;
  private final Arena arena;
  private final Map<String, String> metadata = new LinkedHashMap<>();
  private final Map<String, Entry> entries = new LinkedHashMap<>();
  private final Map<String, SafetensorsShard> homes = new HashMap<>();

  private Safetensors(Path path, Arena arena, List<SafetensorsShard> shards) {
    this.path = path;
    this.arena = arena;
    for (SafetensorsShard shard : shards) {
      shard.header().metadata().forEach(metadata::putIfAbsent);
      entries.putAll(shard.header().entries());
      shard.header().entries().keySet().forEach(name -> homes.put(name, shard));
    }
  }

  /**
   * What the header says about one tensor.
   *
   * @param type the format's name of the element type, such as {@code F32} or {@code F8_E4M3}
   * @param shape the dimensions
   * @param begin first byte, counted from the end of the header of its file
   * @param end byte after the last one
   */
  public record Entry(String type, Shape shape, long begin, long end) {
    /** The element type, unless it is one that tensors do not have here. */
    public Optional<DType> dtype() {
      return Optional.ofNullable(SafetensorsHeader.dtype(type));
    }
  }

  /**
   * Opens a file, or all files of an index, whose name ends with {@code .json}, for reading.
   *
   * @throws FormatException if a file does not hold what the format demands, or the files are not
   *     those of the index
   * @throws UncheckedIOException if a file cannot be read
   */
  @SuppressWarnings("MustBeClosedChecker") // owned by the result
  public static Safetensors open(Path path) {
    requireLittleEndian();
    Arena arena = Arena.ofShared();
    try {
      return new Safetensors(
          path,
          arena,
          SafetensorsIndex.isOne(path)
              ? SafetensorsIndex.open(path, arena)
              : List.of(SafetensorsShard.open(path, arena)));
    } catch (RuntimeException e) {
      arena.close();
      throw e;
    }
  }

  private static void requireLittleEndian() {
    if (ByteOrder.nativeOrder() != ByteOrder.LITTLE_ENDIAN) {
      throw new UnsupportedOperationException(
          "safetensors: only machines with little-endian byte order are supported");
    }
  }

  /**
   * The strings that the writer attached to the file, in the order of the file; of several files,
   * the first one with a name counts.
   */
  public Map<String, String> metadata() {
    return Collections.unmodifiableMap(metadata);
  }

  /** All tensors by name, in the order of their data, file by file. */
  public Map<String, Entry> entries() {
    return Collections.unmodifiableMap(entries);
  }

  /**
   * Copies one tensor to the CPU.
   *
   * @throws IllegalArgumentException if there is no tensor of that name; the message lists some
   * @throws FormatException if its element type has no {@link DType}, or a BOOL is not 0 or 1
   */
  public Tensor tensor(String name) {
    Entry entry = entries.get(name);
    if (entry == null) {
      List<String> some = entries.keySet().stream().limit(20).toList();
      throw new IllegalArgumentException(
          "safetensors: "
              + path
              + " has no tensor '"
              + name
              + "', it has "
              + entries.size()
              + " such as "
              + some);
    }
    SafetensorsShard home = homes.get(name);
    DType dtype = entry.dtype().orElse(null);
    if (dtype == null) {
      throw new FormatException(
          home.path(),
          "tensor '" + name + "' has elements of type " + entry.type() + ", which is not supported",
          "convert it to one of " + List.of(DType.values()));
    }
    MemorySegment bytes = home.data().asSlice(entry.begin(), entry.end() - entry.begin());
    try {
      if (dtype == DType.BOOL) {
        checkBooleans(home.path(), name, bytes);
      }
      return Tensor.fromSegment(bytes, dtype, entry.shape());
    } catch (InternalError e) {
      throw SafetensorsShard.shrunk(home.path(), e);
    }
  }

  private static void checkBooleans(Path path, String name, MemorySegment bytes) {
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
          Elements.writeFully(channel, ByteBuffer.wrap(head));
          for (String name : entries.keySet()) {
            Elements.write(channel, tensors.get(name));
          }
        });
  }
}
