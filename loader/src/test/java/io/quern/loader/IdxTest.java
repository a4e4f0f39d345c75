package io.quern.loader;

import static io.quern.loader.IdxFiles.gzip;
import static io.quern.loader.IdxFiles.idx;
import static io.quern.loader.IdxFiles.stream;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.runtime.HostMemory;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class IdxTest {
  @TempDir Path directory;

  private Path file(byte[] content) {
    try {
      return Files.write(directory.resolve("data.idx"), content);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "0x08, U8, 02 ff, 2 255",
    "0x09, I8, 02 ff, 2 -1",
    "0x0b, I32, 01 02 ff fe, 258 -2",
    "0x0c, I32, 01 02 03 04 ff ff ff fe, 16909060 -2",
    "0x0d, F32, 3f c0 00 00 c0 00 00 00, 1.5 -2",
    "0x0e, F64, 3f f8 00 00 00 00 00 00 c0 00 00 00 00 00 00 00, 1.5 -2"
  })
  void readsEveryElementType(String code, DType dtype, String bytes, String values) {
    byte[] content = idx(Integer.decode(code), new int[] {2}, hex(bytes));
    double[] expected =
        Arrays.stream(values.split(" ", -1)).mapToDouble(Double::parseDouble).toArray();

    for (byte[] encoded : new byte[][] {content, gzip(content)}) {
      Tensor tensor = Idx.read(file(encoded));
      assertThat(tensor.dtype()).isEqualTo(dtype);
      assertThat(tensor.shape()).isEqualTo(Shape.of(2));
      assertThat(tensor.toDoubleArray()).containsExactly(expected);
    }
  }

  private static byte[] hex(String bytes) {
    String[] parts = bytes.split(" ", -1);
    byte[] result = new byte[parts.length];
    for (int i = 0; i < parts.length; i++) {
      result[i] = (byte) Integer.parseInt(parts[i], 16);
    }
    return result;
  }

  @Test
  void keepsTheDimensions() {
    byte[] content = idx(8, new int[] {2, 3, 1, 2}, new byte[12]);

    assertThat(Idx.read(file(content)).shape()).isEqualTo(Shape.of(2, 3, 1, 2));
  }

  @Test
  void readsFilesOfManyChunks() {
    float[] values = new float[700_001];
    ByteBuffer bytes = ByteBuffer.allocate(4 * values.length);
    Random random = new Random(1);
    for (int i = 0; i < values.length; i++) {
      values[i] = random.nextFloat();
      bytes.putFloat(values[i]);
    }
    byte[] content = idx(0x0d, new int[] {values.length}, bytes.array());

    assertThat(Idx.read(file(content)).toFloatArray()).isEqualTo(values);
    assertThat(Idx.read(file(gzip(content))).toFloatArray()).isEqualTo(values);
    assertThat(Idx.read(stream(content), "a stream").toFloatArray()).isEqualTo(values);
    assertThat(Idx.read(stream(gzip(content)), "a stream").toFloatArray()).isEqualTo(values);
  }

  @Test
  void readsDataThatCompressWell() {
    byte[] content = idx(8, new int[] {3_000_000}, new byte[3_000_000]);

    assertThat(Idx.read(file(gzip(content))).toByteArray()).isEqualTo(new byte[3_000_000]);
  }

  @Test
  void readsGzipOfSeveralMembers() {
    byte[] content = idx(8, new int[] {4}, new byte[] {1, 2, 3, 4});
    byte[] first = gzip(Arrays.copyOf(content, 5));
    byte[] second = gzip(Arrays.copyOfRange(content, 5, content.length));
    byte[] both = Arrays.copyOf(first, first.length + second.length);
    System.arraycopy(second, 0, both, first.length, second.length);

    assertThat(Idx.read(file(both)).toByteArray()).containsExactly(1, 2, 3, 4);
  }

  @Test
  void readsFilesWithoutElements() {
    byte[] content = idx(8, new int[] {0, 28, 28}, new byte[0]);

    assertThat(Idx.read(file(content)).shape()).isEqualTo(Shape.of(0, 28, 28));
    assertThat(Idx.read(file(gzip(content))).shape()).isEqualTo(Shape.of(0, 28, 28));
  }

  @Test
  void closesTheStream() {
    boolean[] closed = new boolean[1];
    InputStream stream =
        new FilterInputStream(stream(idx(8, new int[] {1}, new byte[1]))) {
          @Override
          public void close() {
            closed[0] = true;
          }
        };

    assertThat(Idx.read(stream, "a stream").toByteArray()).containsExactly(0);
    assertThat(closed[0]).isTrue();
  }

  @Test
  void saysThatAFileIsMissing() {
    assertThatThrownBy(() -> Idx.read(directory.resolve("absent")))
        .isInstanceOf(UncheckedIOException.class)
        .hasMessageStartingWith("idx: no such file: ")
        .hasMessageEndingWith("absent");
  }

  @Test
  void saysThatADirectoryCannotBeRead() {
    assertThatThrownBy(() -> Idx.read(directory))
        .isInstanceOf(UncheckedIOException.class)
        .hasMessageContaining(directory.toString());
  }

  private void assertRefused(byte[] content, String... messageParts) {
    for (byte[] encoded : new byte[][] {content, gzip(content)}) {
      Path file = file(encoded);
      assertThatThrownBy(() -> Idx.read(file))
          .isInstanceOf(DataFormatException.class)
          .hasMessageStartingWith("idx: " + file + ": ")
          .hasMessageContainingAll(messageParts);
      assertThatThrownBy(() -> Idx.read(stream(encoded), "a stream"))
          .isInstanceOf(DataFormatException.class)
          .hasMessageStartingWith("idx: a stream: ")
          .hasMessageContainingAll(messageParts);
    }
  }

  @Test
  void refusesEmptyFiles() {
    assertRefused(new byte[0], "no data", "expected an IDX header");
  }

  @Test
  void refusesOtherFiles() {
    assertRefused("<html>not found".getBytes(UTF_8), "bytes 3c 68", "expected 00 00 (IDX)");
  }

  @ParameterizedTest
  @ValueSource(ints = {0x00, 0x07, 0x0a, 0x0f, 0x88})
  void refusesUnknownElementTypes(int code) {
    assertRefused(
        idx(code, new int[] {1}, new byte[8]),
        String.format("element type 0x%02x", code),
        "0x08 (UINT8)",
        "0x0e (FLOAT64)");
  }

  @Test
  void refusesFilesWithoutDimensions() {
    assertRefused(idx(8, new int[0], new byte[1]), "no dimensions");
  }

  @Test
  void refusesTruncatedHeaders() {
    byte[] content = idx(8, new int[] {2, 3}, new byte[0]);

    assertRefused(Arrays.copyOf(content, 3), "only 3 bytes");
    assertRefused(Arrays.copyOf(content, 9), "2 dimensions in 8 bytes, found 5", "truncated");
  }

  @Test
  void refusesTruncatedData() {
    assertRefused(
        idx(0x0c, new int[] {5, 2}, new byte[39]), "[5, 2]", "40 bytes, found 39", "truncated");
  }

  @Test
  void refusesTrailingBytes() {
    assertRefused(idx(0x0c, new int[] {5, 2}, new byte[41]), "after the 40 bytes", "[5, 2]");
    assertRefused(idx(8, new int[] {5, 0}, new byte[1]), "after the 0 bytes", "[5, 0]");
  }

  @Test
  void refusesDimensionsThatOverflow() {
    int huge = 0xffffffff;

    assertRefused(idx(8, new int[] {huge, huge, huge}, new byte[8]), "4294967295", "2^63");
    assertRefused(idx(0x0e, new int[] {1 << 30, 1 << 30, 1}, new byte[8]), "2^63");
    assertRefused(idx(0x0b, new int[] {1 << 31, 1 << 30, 1}, new byte[8]), "2^63");
  }

  @Test
  void doesNotTrustHeadersThatClaimALot() {
    long before = HostMemory.shared().usage().mapped();

    assertRefused(idx(8, new int[] {400 << 20}, new byte[100]), "419430400 bytes, found 100");
    assertRefused(idx(0x0b, new int[] {1 << 31, 1 << 20}, new byte[100]), "found 100");

    assertThat(HostMemory.shared().usage().mapped() - before).isLessThan(8 << 20);
  }

  @Test
  void refusesTruncatedGzip() {
    byte[] compressed = gzip(idx(8, new int[] {100}, new byte[100]));

    for (int length = 2; length < compressed.length; length++) {
      Path file = file(Arrays.copyOf(compressed, length));
      assertThatThrownBy(() -> Idx.read(file))
          .isInstanceOf(DataFormatException.class)
          .hasMessageContainingAll("gzip", "truncated");
    }
  }

  @Test
  void refusesGzipWithAWrongChecksum() {
    byte[] compressed = gzip(idx(8, new int[] {100}, new byte[100]));
    compressed[compressed.length - 6] ^= 1;

    assertThatThrownBy(() -> Idx.read(file(compressed)))
        .isInstanceOf(DataFormatException.class)
        .hasMessageContaining("corrupt")
        .hasCauseInstanceOf(java.util.zip.ZipException.class);
  }
}
