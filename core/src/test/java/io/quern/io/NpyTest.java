package io.quern.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NpyTest {
  @TempDir private Path folder;

  private static byte[] file(String header, byte[] elements) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(new byte[] {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0});
    out.write(header.length() & 0xFF);
    out.write(header.length() >> 8);
    out.writeBytes(header.getBytes(StandardCharsets.US_ASCII));
    out.writeBytes(elements);
    return out.toByteArray();
  }

  private Tensor read(byte[] content) throws IOException {
    return Npy.read(Files.write(folder.resolve("x.npy"), content));
  }

  private static byte[] floats(ByteOrder order, float... values) {
    ByteBuffer bytes = ByteBuffer.allocate(4 * values.length).order(order);
    for (float value : values) {
      bytes.putFloat(value);
    }
    return bytes.array();
  }

  @Test
  void readsWhatNumPyWrites() throws IOException {
    Tensor x =
        read(
            file(
                "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }      \n",
                floats(ByteOrder.LITTLE_ENDIAN, 1, 2, 3, 4, 5, 6)));
    assertThat(x.shape()).isEqualTo(Shape.of(2, 3));
    assertThat(x.toFloatArray()).containsExactly(1, 2, 3, 4, 5, 6);
  }

  @Test
  void readsFortranOrderAndBigEndian() throws IOException {
    Tensor x =
        read(
            file(
                "{'descr': '>f4', 'fortran_order': True, 'shape': (2, 3), }\n",
                floats(ByteOrder.BIG_ENDIAN, 1, 4, 2, 5, 3, 6)));
    assertThat(x.shape()).isEqualTo(Shape.of(2, 3));
    assertThat(x.toFloatArray()).containsExactly(1, 2, 3, 4, 5, 6);
  }

  @Test
  void writesWhatItReads() {
    Map<String, Tensor> all = new LinkedHashMap<>();
    for (DType dtype : DType.values()) {
      if (dtype != DType.BF16) {
        all.put(dtype.name(), Tensor.of(new long[] {0, 1, 1, 0, 1, 0}, 3, 1, 2).to(dtype));
      }
    }
    all.put("scalar", Tensor.of(new double[] {2.5}).reshape(Shape.scalar()));
    all.put("empty", Tensor.zeros(0, 4));
    Path archive = folder.resolve("all.npz");
    Npy.writeArchive(archive, all);
    Map<String, Tensor> read = Npy.readArchive(archive);
    assertThat(read.keySet()).containsExactlyElementsOf(all.keySet());
    all.forEach(
        (name, tensor) -> {
          Npy.write(folder.resolve("one.npy"), tensor);
          Tensor one = Npy.read(folder.resolve("one.npy"));
          assertThat(one.spec()).isEqualTo(tensor.spec());
          assertThat(one.toByteArray()).isEqualTo(tensor.toByteArray());
          assertThat(read.get(name).spec()).isEqualTo(tensor.spec());
          assertThat(read.get(name).toByteArray()).isEqualTo(tensor.toByteArray());
        });
  }

  @Test
  void elementsBeginAligned() throws IOException {
    Path path = folder.resolve("x.npy");
    Npy.write(path, Tensor.ones(5));
    assertThat(Files.size(path) - 5 * 4).isEqualTo(128);
    assertThat(Files.readAllBytes(path)[127]).isEqualTo((byte) '\n');
  }

  @Test
  void namesWhatIsWrong() {
    assertThatThrownBy(() -> read(new byte[] {1, 2, 3}))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("not an array of NumPy");
    assertThatThrownBy(
            () ->
                read(
                    file("{'descr': '<f4', 'fortran_order': False, 'shape': (9,), }", new byte[4])))
        .hasMessageContaining("found 4 bytes of elements, expected 36");
    assertThatThrownBy(
            () ->
                read(
                    file(
                        "{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999,"
                            + " 9999999999), }",
                        new byte[4])))
        .hasMessageContaining("the shape");
    assertThatThrownBy(
            () ->
                read(file("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", new byte[8])))
        .hasMessageContaining("only plain numbers");
    assertThatThrownBy(() -> Npy.write(folder.resolve("b.npy"), Tensor.ones(2).to(DType.BF16)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("BF16");
  }

  @Test
  void damagedFilesAreRefusedOrRead() throws IOException {
    byte[] good =
        file(
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n",
            floats(ByteOrder.LITTLE_ENDIAN, 1, 2, 3, 4, 5, 6));
    SplittableRandom random = new SplittableRandom(1);
    for (int i = 0; i < 2000; i++) {
      byte[] bad = good.clone();
      int bit = random.nextInt(8 * bad.length);
      bad[bit / 8] ^= (byte) (1 << (bit % 8));
      try {
        assertThat(read(bad).size()).isLessThanOrEqualTo(24);
      } catch (FormatException e) {
        assertThat(e.getMessage()).contains("x.npy");
      }
    }
  }
}
