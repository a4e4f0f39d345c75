package io.quern.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.quern.Tensor;
import io.quern.io.FormatException;
import java.util.Map;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

/** Damaged and hostile files: a complaint or a result, nothing else. */
class HostileModelTest {
  private static final byte[] MODEL =
      new Models()
          .constant(Models.floats("w", new float[] {1, -1, 2, 1}, 2, 2))
          .constant(Models.longs("shape", 4))
          .input(Models.value("x", 1, 0, 2))
          .output(Models.value("y", 1, 4))
          .add(Models.node("MatMul", "x w", "h"))
          .add(Models.node("Relu", "h", "r"))
          .add(Models.node("Reshape", "r shape", "y"))
          .bytes();

  @Property(tries = 400)
  void truncatedFilesAreRefusedOrRun(@ForAll @IntRange(max = 400) int length) {
    byte[] part = java.util.Arrays.copyOf(MODEL, Math.min(length, MODEL.length));
    loadAndRun(part);
  }

  @Property(tries = 3000)
  void flippedBitsAreRefusedOrRun(
      @ForAll @IntRange(max = 4000) int first, @ForAll @IntRange(max = 4000) int second) {
    byte[] damaged = MODEL.clone();
    damaged[first / 8 % MODEL.length] ^= (byte) (1 << first % 8);
    damaged[second / 8 % MODEL.length] ^= (byte) (1 << second % 8);
    loadAndRun(damaged);
  }

  @Property(tries = 2000)
  void noiseIsRefused(@ForAll byte[] noise) {
    loadAndRun(noise);
  }

  private static void loadAndRun(byte[] bytes) {
    try {
      OnnxModel model = Models.parse(bytes);
      Map<String, Tensor> results = model.run(Map.of("x", Tensor.ones(2, 2)));
      assertThat(results).isNotNull();
    } catch (FormatException | OnnxException e) {
      assertThat(e.getMessage()).isNotBlank();
    }
  }

  @Test
  void complaintNamesFilePositionAndWhatWasFound() {
    byte[] cut = java.util.Arrays.copyOf(MODEL, MODEL.length - 3);
    assertThatThrownBy(() -> Models.parse(cut))
        .isInstanceOf(FormatException.class)
        .hasMessageMatching("test.onnx: at byte \\d+ found a length of \\d+, expected at most .*");
  }

  @Test
  void deepNestingIsRefused() {
    ProtoWriter message = new ProtoWriter();
    for (int i = 0; i < 5_000; i++) {
      message =
          new ProtoWriter().message(i % 2 == 0 ? 9 : 4, new ProtoWriter().message(1, message));
    }
    ProtoWriter type = new ProtoWriter().string(1, "x").message(2, message);
    byte[] bytes = new ProtoWriter().message(7, new ProtoWriter().message(11, type)).toBytes();
    assertThatThrownBy(() -> Models.parse(bytes)).isInstanceOf(FormatException.class);
  }

  @Test
  void manyProblemsAreCountedInsteadOfTold() {
    Models models = new Models().input(Models.value("x", 1, 2)).output(Models.value("x", 1, 2));
    for (int i = 0; i < 150; i++) {
      models.add(Models.node("Relu", "missing" + i, "y" + i));
    }
    assertThat(models.model().check().problems())
        .hasSize(101)
        .contains(
            "Relu 'relu_node': input 'missing99' is neither an input of the graph nor a constant"
                + " nor given by an earlier node")
        .last()
        .isEqualTo("and 50 more");
  }

  @Test
  void hugeLengthIsRefusedAtOnce() {
    byte[] bytes = {0x3A, (byte) 0xFF, (byte) 0xFF, (byte) 0xFF, (byte) 0xFF, 0x7F};
    assertThatThrownBy(() -> Models.parse(bytes))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("at byte 0 found a length of 34359738367");
  }
}
