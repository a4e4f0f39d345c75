package io.quern.io;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.Channels;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipException;
import java.util.zip.ZipInputStream;
import java.util.zip.ZipOutputStream;

/**
 * Arrays of NumPy: {@code .npy} files of one array, {@code .npz} archives of several by name (NumPy
 * Enhancement Proposal 1; format versions 1 to 3). Read are booleans, integers and floats of either
 * byte order, in C or Fortran order; written is version 1, little-endian, in C order. Thread-safe.
 */
public final class Npy {
  private static final byte[] MAGIC = {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y'};
  private static final int ALIGNMENT = 64;
  private static final int LONGEST_HEADER = 1 << 20;
  private static final String SUFFIX = ".npy";

  private static final Pattern HEADER =
      Pattern.compile(
          "\\s*\\{\\s*'descr'\\s*:\\s*'([<>|=])([a-z])(\\d)'\\s*,"
              + "\\s*'fortran_order'\\s*:\\s*(True|False)\\s*,"
              + "\\s*'shape'\\s*:\\s*\\(([\\d\\s,L]*)\\)\\s*,?\\s*\\}\\s*");

  private static final Map<DType, String> NAMES =
      Map.ofEntries(
          Map.entry(DType.F64, "f8"),
          Map.entry(DType.F32, "f4"),
          Map.entry(DType.F16, "f2"),
          Map.entry(DType.I64, "i8"),
          Map.entry(DType.I32, "i4"),
          Map.entry(DType.I16, "i2"),
          Map.entry(DType.I8, "i1"),
          Map.entry(DType.U64, "u8"),
          Map.entry(DType.U32, "u4"),
          Map.entry(DType.U16, "u2"),
          Map.entry(DType.U8, "u1"),
          Map.entry(DType.BOOL, "b1"));

  private Npy() {}

  /**
   * Reads an array into a tensor on the CPU.
   *
   * @throws FormatException if the file is not an array of a supported type, or a damaged one
   * @throws UncheckedIOException if it cannot be read
   */
  public static Tensor read(Path path) {
    try {
      return parse(path, Files.readAllBytes(path));
    } catch (IOException e) {
      throw Unreadable.file(path, e);
    }
  }

  /**
   * Reads all arrays of an archive, in order.
   *
   * @throws FormatException if it is not an archive of arrays of supported types, or a damaged one
   * @throws UncheckedIOException if it cannot be read
   */
  public static Map<String, Tensor> readArchive(Path path) {
    Map<String, Tensor> arrays = new LinkedHashMap<>();
    try (ZipInputStream in = new ZipInputStream(Files.newInputStream(path))) {
      for (ZipEntry entry = in.getNextEntry(); entry != null; entry = in.getNextEntry()) {
        String file = entry.getName();
        if (!file.endsWith(SUFFIX)) {
          throw new FormatException(
              path, "found '" + file + "', expected arrays only", "remove that file");
        }
        String name = file.substring(0, file.length() - SUFFIX.length());
        arrays.put(name, parse(path + "!" + file, in.readAllBytes()));
      }
    } catch (ZipException e) {
      throw new FormatException(path, "a damaged archive (" + e.getMessage() + ")", again(), e);
    } catch (IOException e) {
      throw Unreadable.file(path, e);
    }
    if (arrays.isEmpty()) {
      throw new FormatException(path, "found no archive of arrays", again());
    }
    return Collections.unmodifiableMap(arrays);
  }

  /**
   * Writes a tensor to a file, which is replaced in one step (see {@link AtomicFile}).
   *
   * @throws IllegalArgumentException if NumPy has no such type
   */
  public static void write(Path path, Tensor tensor) {
    byte[] bytes = format(tensor);
    AtomicFile.write(
        path,
        channel -> {
          ByteBuffer content = ByteBuffer.wrap(bytes);
          while (content.hasRemaining()) {
            channel.write(content);
          }
        });
  }

  /** Writes tensors to an archive without compression, as {@link #write}. */
  public static void writeArchive(Path path, Map<String, Tensor> tensors) {
    AtomicFile.write(
        path,
        channel -> {
          OutputStream out = Channels.newOutputStream(channel);
          ZipOutputStream zip = new ZipOutputStream(out);
          zip.setLevel(0);
          for (Map.Entry<String, Tensor> each : tensors.entrySet()) {
            zip.putNextEntry(new ZipEntry(each.getKey() + SUFFIX));
            zip.write(format(each.getValue()));
            zip.closeEntry();
          }
          zip.finish();
        });
  }

  private static String again() {
    return "write it again";
  }

  // ---- reading -----------------------------------------------------------------------------

  private static Tensor parse(Object source, byte[] file) {
    try (InputStream in = new ByteArrayInputStream(file)) {
      byte[] start = in.readNBytes(MAGIC.length + 2);
      boolean known = start.length == MAGIC.length + 2;
      for (int i = 0; known && i < MAGIC.length; i++) {
        known = start[i] == MAGIC[i];
      }
      if (!known) {
        throw new FormatException(source, "not an array of NumPy", "write it with numpy.save");
      }
      int version = start[MAGIC.length];
      byte[] length = in.readNBytes(version == 1 ? 2 : 4);
      long bytes = 0;
      for (int i = length.length - 1; i >= 0; i--) {
        bytes = bytes << 8 | (length[i] & 0xFF);
      }
      if (version < 1 || version > 3 || bytes > LONGEST_HEADER) {
        throw new FormatException(
            source, "version " + version + " with a header of " + bytes + " bytes", again());
      }
      String header = new String(in.readNBytes((int) bytes), StandardCharsets.UTF_8);
      return array(source, header, in.readAllBytes());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static Tensor array(Object source, String header, byte[] elements) {
    Matcher matcher = HEADER.matcher(header);
    if (!matcher.matches()) {
      throw new FormatException(
          source, "the header is '" + header.strip() + "'", "only plain numbers are read");
    }
    String name = matcher.group(2) + matcher.group(3);
    DType dtype =
        NAMES.entrySet().stream()
            .filter(entry -> entry.getValue().equals(name))
            .map(Map.Entry::getKey)
            .findFirst()
            .orElseThrow(
                () -> new FormatException(source, "elements of type " + name, "convert them"));
    boolean fortran = matcher.group(4).equals("True");
    List<Long> dims = new ArrayList<>();
    long expected = dtype.bytes();
    try {
      for (String dim : matcher.group(5).replace("L", "").split(",", -1)) {
        if (!dim.isBlank()) {
          dims.add(Long.parseLong(dim.strip()));
          expected = Math.multiplyExact(expected, dims.getLast());
        }
      }
    } catch (NumberFormatException | ArithmeticException e) {
      throw new FormatException(source, "the shape (" + matcher.group(5) + ")", again(), e);
    }
    if (expected != elements.length) {
      throw new FormatException(
          source, "found " + elements.length + " bytes of elements, expected " + expected, again());
    }
    if (dtype.bytes() > 1 && (matcher.group(1).equals(">") != isBigEndian())) {
      swap(elements, dtype.bytes());
    }
    if (fortran) {
      Collections.reverse(dims);
    }
    Shape shape = Shape.of(dims.stream().mapToLong(Long::longValue).toArray());
    Tensor tensor = Tensor.fromSegment(MemorySegment.ofArray(elements), dtype, shape);
    int rank = shape.rank();
    return fortran && rank > 1
        ? tensor.permute(IntStream.range(0, rank).map(d -> rank - 1 - d).toArray()).contiguous()
        : tensor;
  }

  private static boolean isBigEndian() {
    return ByteOrder.nativeOrder() == ByteOrder.BIG_ENDIAN;
  }

  private static void swap(byte[] elements, int width) {
    for (int at = 0; at < elements.length; at += width) {
      for (int i = 0; i < width / 2; i++) {
        byte first = elements[at + i];
        elements[at + i] = elements[at + width - 1 - i];
        elements[at + width - 1 - i] = first;
      }
    }
  }

  // ---- writing -----------------------------------------------------------------------------

  private static byte[] format(Tensor tensor) {
    String name = NAMES.get(tensor.dtype());
    if (name == null) {
      throw new IllegalArgumentException(
          "npy: NumPy has no type for " + tensor.spec() + "; convert it, for example to F32");
    }
    StringBuilder dims = new StringBuilder();
    for (long dim : tensor.shape().toArray()) {
      dims.append(dim).append(", ");
    }
    String order = tensor.dtype().bytes() == 1 ? "|" : isBigEndian() ? ">" : "<";
    String header =
        "{'descr': '" + order + name + "', 'fortran_order': False, 'shape': (" + dims + "), }";
    int start = MAGIC.length + 4;
    int padding = (ALIGNMENT - (start + header.length() + 1) % ALIGNMENT) % ALIGNMENT;
    header += " ".repeat(padding) + "\n";
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(MAGIC);
    out.write(1);
    out.write(0);
    out.write(header.length() & 0xFF);
    out.write(header.length() >>> 8);
    out.writeBytes(header.getBytes(StandardCharsets.US_ASCII));
    out.writeBytes(tensor.toByteArray());
    return out.toByteArray();
  }
}
