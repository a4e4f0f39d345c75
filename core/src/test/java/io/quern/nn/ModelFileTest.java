package io.quern.nn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.quern.DType;
import io.quern.Rng;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.io.FormatException;
import io.quern.io.Safetensors;
import io.quern.op.TensorSpec;
import io.quern.op.Window;
import io.quern.op.Window3d;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ModelFileTest {
  @TempDir Path directory;

  private Path file() {
    return directory.resolve("model.safetensors");
  }

  private static Module images(long seed) {
    Rng rng = Rng.of(seed);
    Window window = new Window(3, 2, 1, 2, 1, 0, 2, 1, 1, 1);
    var up = new io.quern.op.ConvTranspose2d(Window.of(2).stride(2), 2, 0, 1);
    return Sequential.builder()
        .add("conv", Conv2d.of(2, 4, window, 2, false, rng))
        .add("norm", BatchNorm2d.of(4, 1e-4, 0.2))
        .add("relu", new Relu())
        .add("max", MaxPool2d.of(2))
        .add("avg", AvgPool2d.of(Window.of(2).stride(1).padding(1), false))
        .add("block", Residual.of(Conv2d.of(4, 4, 1, rng), Conv2d.of(4, 4, 1, rng)))
        .add("up", ConvTranspose2d.of(4, 4, up, false, rng))
        .add("down", Conv2d.of(4, 4, Window.of(2).stride(2), rng))
        .add("leaky", LeakyRelu.of(0.2))
        .add("flat", Flatten.of())
        .add("drop", Dropout.of(0.25))
        .add("norm1", BatchNorm1d.of(72))
        .add("group", GroupNorm.of(9, 72, 1e-3))
        .add("rms", RmsNorm.of(Shape.of(72), 1e-3))
        .add("head", Sequential.of(Linear.of(72, 8, rng), new Gelu(), Linear.of(8, 3, false, rng)))
        .add("softmax", Softmax.of())
        .build();
  }

  private static Module text(long seed) {
    Rng rng = Rng.of(seed);
    return Sequential.of(
        Embedding.of(10, 6, rng),
        Residual.of(
            Sequential.of(
                LayerNorm.of(6),
                MultiHeadAttention.builder(6, 3).causal(true).dropout(0.1).bias(false).build(rng))),
        Conv1d.builder(3, 6, 2).stride(2).padding(1).dilation(2).groups(3).bias(false).build(rng),
        new Silu(),
        new Tanh(),
        new Sigmoid(),
        new Softplus(),
        Elu.of(0.5),
        Flatten.of(1));
  }

  private static Module volumes(long seed) {
    Rng rng = Rng.of(seed);
    Window3d window = new Window3d(2, 1, 3, 4, 5, new Window(3, 2, 1, 2, 1, 0, 2, 3, 1, 2));
    return Sequential.of(
        Conv3d.of(2, 4, window, 2, false, rng), Conv3d.of(4, 3, Window3d.of(2), rng));
  }

  @Test
  void modelsOfEveryLayerComeBackBitForBit() {
    Tensor image = Rng.of(5).normal(2, 2, 9, 8);
    Module images = images(1);
    // Running statistics that are not those of a fresh model.
    images.forward(image, Mode.training(Rng.of(6)));
    roundTrip(images, image);
    roundTrip(volumes(1), Rng.of(5).normal(2, 2, 3, 6, 7));
    roundTrip(text(1), Tensor.of(new long[] {1, 2, 3, 9, 0, 4}, 2, 3));
  }

  private void roundTrip(Module model, Tensor input) {
    byte[] expected = model.forward(input).toByteArray();
    TensorSpec spec = new TensorSpec(input.dtype(), input.shape().without(0));
    ModelFile.save(model, file(), spec, Map.of("classes", "a,b"));
    ModelFile loaded = ModelFile.load(file());
    assertThat(loaded.module().forward(input).toByteArray()).isEqualTo(expected);
    assertThat(loaded.module().toString()).isEqualTo(model.toString());
    assertThat(loaded.module().parameters().keySet()).isEqualTo(model.parameters().keySet());
    assertThat(loaded.module().parameters().values()).allMatch(Tensor::requiresGrad);
    assertThat(loaded.input()).contains(spec);
    assertThat(loaded.metadata()).containsExactly(Map.entry("classes", "a,b"));
  }

  @Test
  void theSameModelGivesTheSameFile() throws IOException {
    ModelFile.save(images(1), file());
    byte[] first = Files.readAllBytes(file());
    ModelFile.save(images(1), file());
    assertThat(Files.readAllBytes(file())).isEqualTo(first);
    assertThat(ModelFile.load(file()).input()).isEmpty();
  }

  @Test
  void dtypesOfWeightsAreKept() {
    Module model = images(1).to(DType.F64);
    ModelFile.save(model, file());
    assertThat(ModelFile.load(file()).module().parameters().values())
        .allMatch(w -> w.dtype() == DType.F64);
  }

  private static final class Custom extends Module {
    private final Linear inner;

    Custom(Rng rng, long out) {
      inner = child("inner", Linear.of(3, out, rng));
    }

    @Override
    public Tensor forward(Tensor input, Mode mode) {
      return inner.forward(input, mode);
    }
  }

  @Test
  void customModulesSaveAndLoadTheirWeights() {
    Custom custom = new Custom(Rng.of(1), 2);
    assertThatThrownBy(() -> ModelFile.save(Sequential.of(custom), file()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining(
            "model file: 0 is a io.quern.nn.ModelFileTest$Custom, only the layers")
        .hasMessageContaining("use ModelFile.saveWeights and loadWeights");
    assertThat(file()).doesNotExist();
    ModelFile.saveWeights(custom, file());
    Custom other = new Custom(Rng.of(2), 2);
    Tensor weight = other.parameters().get("inner.weight");
    ModelFile.loadWeights(other, file());
    assertThat(other.parameters().get("inner.weight")).isSameAs(weight);
    assertThat(other.forward(Tensor.ones(1, 3)).toByteArray())
        .isEqualTo(custom.forward(Tensor.ones(1, 3)).toByteArray());
    assertThatThrownBy(() -> ModelFile.load(file()))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("has no model description")
        .hasMessageContaining("use ModelFile.loadWeights");
  }

  @Test
  void weightsThatDoNotFitAreListedAtOnceAndNothingChanges() {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    tensors.put("inner.weight", Tensor.ones(2, 4));
    tensors.put("other", Tensor.ones(1));
    Safetensors.write(file(), tensors, Map.of());
    Custom custom = new Custom(Rng.of(1), 2);
    byte[] before = custom.parameters().get("inner.weight").toByteArray();
    assertThatThrownBy(() -> ModelFile.loadWeights(custom, file()))
        .isInstanceOf(FormatException.class)
        .hasMessage(
            file()
                + ": the tensors do not fit the model: inner.weight: expected F32[2, 3], found"
                + " F32[2, 4], missing inner.bias F32[2], unexpected other; check that the file"
                + " belongs to this model");
    assertThat(custom.parameters().get("inner.weight").toByteArray()).isEqualTo(before);
    tensors.put("inner.weight", Tensor.ones(2, 3).to(DType.F64));
    tensors.put("inner.bias", Tensor.ones(2));
    Safetensors.write(file(), tensors, Map.of());
    assertThatThrownBy(() -> ModelFile.loadWeights(custom, file()))
        .hasMessageContaining("inner.weight: expected F32[2, 3], found F64[2, 3]");
  }

  // ---- descriptions that do not hold ------------------------------------------------------

  private void write(String model, Map<String, Tensor> tensors, String input) {
    Safetensors.write(file(), tensors, Map.of("quern.model", model, "quern.input", input));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{                                  | is not valid JSON",
        "[]                                 | must have an object with a type for each layer",
        "{\"type\":3}                       | must have an object with a type for each layer",
        "{\"type\":\"Linar\"}               | layer Linar: there is no layer of this type",
        "{\"type\":\"java.lang.Runtime\"}   | there is no layer of this type",
        "{\"type\":\"Linear\",\"in\":2}     | argument out must be a whole number, found null",
        "{\"type\":\"Linear\",\"in\":\"2\",\"out\":1} | argument in must be a whole number, found"
            + " 2",
        "{\"type\":\"Linear\",\"in\":-2,\"out\":1,\"bias\":true} | linear: in must be 1 or more",
        "{\"type\":\"Linear\",\"in\":2,\"out\":1,\"bias\":1}  | argument bias must be true or"
            + " false",
        "{\"type\":\"Relu\",\"slope\":1}    | layer Relu: argument slope is unknown",
        "{\"type\":\"Relu\",\"layers\":[{\"name\":\"x\",\"type\":\"Relu\"}]} | has inner layers",
        "{\"type\":\"Sequential\",\"layers\":{}} | must have a list of layers",
        "{\"type\":\"Sequential\",\"layers\":[{\"type\":\"Relu\"}]} | must have a name for each",
        "{\"type\":\"Sequential\",\"layers\":[{\"name\":\"a\",\"type\":\"Relu\"},{\"name\":\"a\",\"type\":\"Relu\"}]}"
            + " | has two layers named a",
        "{\"type\":\"Sequential\",\"layers\":[{\"name\":\"a.b\",\"type\":\"Relu\"}]} | must not be"
            + " empty or contain dots",
        "{\"type\":\"Residual\"}            | needs the modules body and perhaps shortcut",
        "{\"type\":\"Dropout\",\"p\":2}     | dropout: p must be at least 0.0",
        "{\"type\":\"Flatten\",\"from\":99999999999} | must be a whole number of 32 bits",
        "{\"type\":\"Softmax\",\"axis\":1.5} | argument axis must be a whole number",
        "{\"type\":\"MaxPool2d\",\"kernel\":[2]} | must be a list of 2 whole numbers",
        "{\"type\":\"MaxPool2d\",\"kernel\":[0,0],\"stride\":[1,1],\"padding\":[0,0,0,0],\"dilation\":[1,1]}"
            + " | kernel, stride and dilation must be 1 or more",
        "{\"type\":\"LayerNorm\",\"shape\":[],\"epsilon\":1} | the shape needs one dimension",
        "{\"type\":\"LayerNorm\",\"shape\":[-1],\"epsilon\":1} | dimensions must not be negative",
        "{\"type\":\"MultiHeadAttention\",\"dim\":6,\"heads\":4,\"causal\":true,\"bias\":true,\"dropout\":0}"
            + " | 4 heads do not divide",
      })
  void badDescriptionsAreRefused(String json, String problem) {
    write(json, Map.of(), "{}");
    assertThatThrownBy(() -> ModelFile.load(file()))
        .isInstanceOf(FormatException.class)
        .hasMessageStartingWith(file() + ": ")
        .hasMessageContaining(problem);
  }

  @Test
  void hugeSizesInADescriptionAllocateNothing() {
    write(
        "{\"type\":\"Linear\",\"in\":1000000000,\"out\":4000000000,\"bias\":true}",
        Map.of("weight", Tensor.ones(2, 2)),
        "{}");
    assertThatThrownBy(() -> ModelFile.load(file()))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("weight: expected F32[4000000000, 1000000000], found F32[2, 2]")
        .hasMessageContaining("missing bias F32[4000000000]");
    write(
        "{\"type\":\"Linear\",\"in\":4611686018427387904,\"out\":4,\"bias\":true}", Map.of(), "{}");
    assertThatThrownBy(() -> ModelFile.load(file()))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("more than 2^63 - 1 elements");
  }

  @Test
  void deepNestingIsRefused() {
    String deep = "{\"type\":\"Sequential\",\"layers\":[{\"name\":\"a\",";
    write(deep.repeat(2000) + "\"type\":\"Relu\"" + "}]}".repeat(2000), Map.of(), "{}");
    assertThatThrownBy(() -> ModelFile.load(file())).isInstanceOf(FormatException.class);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "nonsense",
        "{}",
        "{\"dtype\":\"F33\",\"shape\":[1]}",
        "{\"dtype\":\"F32\",\"shape\":[\"1\"]}",
        "{\"dtype\":\"F32\",\"shape\":[null]}",
        "{\"dtype\":\"F32\",\"shape\":[-1]}"
      })
  void badInputSpecsAreRefused(String json) {
    write("{\"type\":\"Relu\"}", Map.of(), json);
    assertThatThrownBy(() -> ModelFile.load(file()))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("metadata quern.input");
  }

  @Test
  void reservedMetadataNamesAreRefused() {
    assertThatThrownBy(
            () -> ModelFile.save(new Relu(), file(), null, Map.of("quern.model", "mine")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("must not begin with 'quern.', found quern.model");
    ModelFile.save(new Relu(), file(), new TensorSpec(DType.F32, Shape.scalar()));
    assertThat(ModelFile.load(file()).input()).contains(new TensorSpec(DType.F32, Shape.scalar()));
  }
}
