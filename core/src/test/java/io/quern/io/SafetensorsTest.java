package io.quern.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.quern.DType;
import io.quern.Device;
import io.quern.Rng;
import io.quern.Shape;
import io.quern.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class SafetensorsTest {
  @TempDir Path directory;

  private Path file() {
    return directory.resolve("t.safetensors");
  }

  @ParameterizedTest
  @EnumSource
  void everyDtypeComesBackBitForBit(DType dtype) {
    Tensor numbers = Tensor.of(new double[] {0, 1, -2.5, 3, 100, 0.1}, 2, 3).to(dtype);
    Tensor scalar = numbers.select(0, 1).select(0, 2);
    Tensor empty = Tensor.full(0, dtype, Device.cpu(), 3, 0, 2);
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    tensors.put("numbers", numbers);
    tensors.put("scalar", scalar);
    tensors.put("empty", empty);
    Safetensors.write(file(), tensors, Map.of());
    Map<String, Tensor> again = Safetensors.read(file());
    assertThat(again.keySet()).containsExactlyInAnyOrder("numbers", "scalar", "empty");
    tensors.forEach(
        (name, tensor) -> {
          assertThat(again.get(name).spec()).isEqualTo(tensor.spec());
          assertThat(again.get(name).toByteArray()).isEqualTo(tensor.toByteArray());
        });
  }

  @Test
  void theBytesAreThoseOfTheFormat() throws IOException {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    tensors.put("b", Tensor.of(new int[] {1, -2}));
    tensors.put("c", Tensor.ofBytes(new byte[] {7}));
    tensors.put("a", Tensor.of(new float[] {1.5f}, 1, 1));
    tensors.put("d", Tensor.of(new long[] {3}, 1));
    Safetensors.write(file(), tensors, Map.of("k", "v"));
    String json =
        """
        {"__metadata__":{"k":"v"},"d":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},\
        "a":{"dtype":"F32","shape":[1,1],"data_offsets":[8,12]},\
        "b":{"dtype":"I32","shape":[2],"data_offsets":[12,20]},\
        "c":{"dtype":"U8","shape":[1],"data_offsets":[20,21]}}\
        """;
    int padded = (json.length() + 7) / 8 * 8;
    ByteBuffer expected =
        ByteBuffer.allocate(8 + padded + 21)
            .order(ByteOrder.LITTLE_ENDIAN)
            .putLong(padded)
            .put((json + " ".repeat(padded - json.length())).getBytes(StandardCharsets.UTF_8))
            .putLong(3)
            .putFloat(1.5f)
            .putInt(1)
            .putInt(-2)
            .put((byte) 7);
    assertThat(Files.readAllBytes(file())).isEqualTo(expected.array());
  }

  @Test
  void viewsAreWrittenAsTheirElements() {
    Tensor base = Rng.of(1).normal(4, 6);
    Tensor view = base.transpose(0, 1).slice(0, 1, 6, 2).flip(1);
    Tensor broadcast = base.slice(0, 0, 1).expand(Shape.of(3, 6));
    Safetensors.write(file(), Map.of("view", view, "broadcast", broadcast), Map.of());
    Map<String, Tensor> again = Safetensors.read(file());
    assertThat(again.get("view").toByteArray()).isEqualTo(view.toByteArray());
    assertThat(again.get("broadcast").toByteArray()).isEqualTo(broadcast.toByteArray());
  }

  @Test
  void tensorsLargerThanTheBufferAreWrittenWhole() {
    Tensor large = Tensor.arange((1 << 20) + 3, DType.I64);
    Safetensors.write(file(), Map.of("large", large), Map.of());
    try (Safetensors open = Safetensors.open(file());
        Tensor again = open.tensor("large")) {
      assertThat(again.toLongArray()).isEqualTo(large.toLongArray());
    }
  }

  @Test
  void metadataAndNamesMayBeAnyText() {
    String odd = "näme \"quoted\" \\ \n \uD83D\uDE00";
    Safetensors.write(file(), Map.of(odd, Tensor.ones(2)), Map.of(odd, odd));
    try (Safetensors open = Safetensors.open(file())) {
      assertThat(open.metadata()).containsExactly(Map.entry(odd, odd));
      assertThat(open.entries()).containsOnlyKeys(odd);
      assertThat(open.entries().get(odd))
          .isEqualTo(new Safetensors.Entry("F32", Shape.of(2), 0, 8));
    }
  }

  @Test
  void aFileWithoutTensorsIsAFile() {
    Safetensors.write(file(), Map.of(), Map.of());
    assertThat(Safetensors.read(file())).isEmpty();
  }

  @Test
  void tensorsOutliveTheFile() {
    Safetensors.write(file(), Map.of("x", Tensor.of(new float[] {1, 2})), Map.of());
    Tensor x;
    try (Safetensors open = Safetensors.open(file())) {
      x = open.tensor("x");
    }
    assertThat(x.toFloatArray()).containsExactly(1, 2);
  }

  @Test
  void aWrongNameIsAnsweredWithTheRightOnes() {
    Safetensors.write(file(), Map.of("weight", Tensor.ones(1)), Map.of());
    try (Safetensors open = Safetensors.open(file())) {
      assertThatThrownBy(() -> open.tensor("wait"))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("has no tensor 'wait', it has 1 such as [weight]");
    }
  }

  @Test
  void aMissingFileIsAnIoError() {
    assertThatThrownBy(() -> Safetensors.open(file()))
        .isInstanceOf(UncheckedIOException.class)
        .hasMessageStartingWith(file() + ": cannot be read");
    assertThatThrownBy(() -> Safetensors.open(directory))
        .isInstanceOf(UncheckedIOException.class)
        .hasMessage(directory + ": is a directory; name the file in it");
  }

  @Test
  void theNameOfTheMetadataIsRefused() {
    assertThatThrownBy(
            () -> Safetensors.write(file(), Map.of("__metadata__", Tensor.ones(1)), Map.of()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("no tensor may have the name __metadata__");
    assertThat(file()).doesNotExist();
  }

  @Test
  void aClosedTensorLeavesTheOldFile() {
    Safetensors.write(file(), Map.of("x", Tensor.ones(1)), Map.of());
    Tensor closed = Tensor.ones(3);
    closed.close();
    assertThatThrownBy(
            () -> Safetensors.write(file(), Map.of("x", Tensor.ones(2), "y", closed), Map.of()))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("used after close()");
    assertThat(Safetensors.read(file()).get("x").shape()).isEqualTo(Shape.of(1));
    assertThat(directory).isDirectoryNotContaining("glob:**.tmp");
  }
}
