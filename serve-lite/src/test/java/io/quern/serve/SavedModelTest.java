package io.quern.serve;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.quern.DType;
import io.quern.Rng;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.io.FormatException;
import io.quern.nn.Conv2d;
import io.quern.nn.Dropout;
import io.quern.nn.Flatten;
import io.quern.nn.Linear;
import io.quern.nn.ModelFile;
import io.quern.nn.Module;
import io.quern.nn.Relu;
import io.quern.nn.Sequential;
import io.quern.op.TensorSpec;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class SavedModelTest {
  private static final TensorSpec IMAGE = new TensorSpec(DType.F32, Shape.of(1, 6, 6));

  @TempDir private Path folder;

  private static Module model() {
    Rng rng = Rng.of(3);
    return Sequential.of(
        Conv2d.of(1, 2, 3, rng),
        new Relu(),
        Flatten.of(),
        Dropout.of(0.5),
        Linear.of(2 * 4 * 4, 3, rng));
  }

  @Test
  void aSavedModelAnswersAsTheModelItself() {
    Module model = model();
    Path file = folder.resolve("model.safetensors");
    ModelFile.save(model, file, IMAGE);
    try (ModelHandle handle = ModelHandle.load(file)) {
      assertThat(handle.exampleSpec()).isEqualTo(IMAGE);
      for (int i = 0; i < 10; i++) {
        Tensor image = Rng.of(i).uniform(1, 6, 6);
        float[] expected = model.forward(image.unsqueeze(0)).toFloatArray();
        assertThat(handle.predict(image.toFloatArray())).isEqualTo(expected);
        assertThat(handle.predict(image).toFloatArray()).isEqualTo(expected);
      }
    }
  }

  @Test
  void aModelWithoutInputSpecIsRefused() {
    Path file = folder.resolve("model.safetensors");
    ModelFile.save(model(), file);
    assertThatThrownBy(() -> ModelHandle.load(file))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("model.safetensors: does not tell what an example is");
  }

  @Test
  void brokenAndMissingFilesAreRefused() throws Exception {
    Path file = folder.resolve("model.safetensors");
    assertThatThrownBy(() -> ModelHandle.load(file)).isInstanceOf(UncheckedIOException.class);
    Files.write(file, new byte[] {1, 2, 3});
    assertThatThrownBy(() -> ModelHandle.load(file)).isInstanceOf(FormatException.class);
  }
}
