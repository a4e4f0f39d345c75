package io.quern.loader;

import io.quern.Tensor;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/**
 * Reads IDX files, the format of MNIST and its relatives, plain or compressed by gzip; which of the
 * two it is shows in the first bytes, not in the name.
 *
 * <p>Elements keep their type, except that 16-bit integers become I32, which holds all of them:
 * 0x08 gives U8, 0x09 I8, 0x0B and 0x0C I32, 0x0D F32, 0x0E F64. The tensor has the file's
 * dimensions and lies on {@link io.quern.Device#cpu()}.
 *
 * <p>The file is read in pieces straight into the tensor. A header that claims more data than there
 * are does not make the reader ask for that much memory. Bytes after the last gzip member are
 * ignored, as gzip does.
 *
 * <p>Thread-safe: the methods share nothing.
 *
 * @see <a href="http://yann.lecun.com/exdb/mnist/">The IDX file format</a>
 */
public final class Idx {
  private Idx() {}

  /**
   * Reads a file.
   *
   * @throws DataFormatException if it is not a complete IDX file and nothing else
   * @throws UncheckedIOException if it cannot be read
   */
  public static Tensor read(Path file) {
    try (InputStream in = Files.newInputStream(file)) {
      long size = Files.isRegularFile(file) ? Files.size(file) : IdxReader.UNKNOWN;
      return new IdxReader(file.toString(), in, size).read();
    } catch (NoSuchFileException e) {
      throw new UncheckedIOException("idx: no such file: " + file, e);
    } catch (IOException e) {
      throw new UncheckedIOException("idx: cannot read " + file + ": " + e.getMessage(), e);
    }
  }

  /**
   * Reads a stream, such as a resource, to its end and closes it.
   *
   * @param name what messages call it
   * @throws DataFormatException if it is not a complete IDX file and nothing else
   * @throws UncheckedIOException if it cannot be read
   */
  public static Tensor read(InputStream stream, String name) {
    try (stream) {
      return new IdxReader(name, stream, IdxReader.UNKNOWN).read();
    } catch (IOException e) {
      throw new UncheckedIOException("idx: cannot read " + name + ": " + e.getMessage(), e);
    }
  }
}
