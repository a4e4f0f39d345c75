package io.quern.nn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.quern.DType;
import io.quern.Device;
import io.quern.Rng;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.op.Window;
import java.util.Map;
import org.junit.jupiter.api.Test;

class ModuleTest {
  /** A module of one's own: weights, a buffer and a layer that is used twice. */
  private static final class Custom extends Module {
    private final Linear shared;
    private final Weight scale;
    private final Weight calls;

    Custom(Rng rng) {
      shared = child("first", Linear.of(3, 3, rng));
      child("second", shared);
      scale = parameter("scale", Tensor.ones(3));
      calls = buffer("calls", Tensor.zeros(1));
    }

    @Override
    public Tensor forward(Tensor input, Mode mode) {
      if (mode.isTraining()) {
        calls.value().copyFrom(calls.value().add(1));
      }
      return shared.forward(shared.forward(input, mode), mode).mul(scale.value());
    }
  }

  private static Module convolutional() {
    Rng rng = Rng.of(1);
    return Sequential.builder()
        .add("conv1", Conv2d.of(1, 4, Window.of(3).padding(1), rng))
        .add("bn1", BatchNorm2d.of(4))
        .add("act", new Relu())
        .add("block", Residual.of(Sequential.of(Conv2d.of(4, 4, 1, rng), new Relu())))
        .add("flat", Flatten.of())
        .add("fc", Linear.of(16, 2, false, rng))
        .build();
  }

  @Test
  void weightsHaveDottedNamesInOrder() {
    Module model = convolutional();
    assertThat(model.parameters().keySet())
        .containsExactly(
            "conv1.weight",
            "conv1.bias",
            "bn1.weight",
            "bn1.bias",
            "block.body.0.weight",
            "block.body.0.bias",
            "fc.weight");
    assertThat(model.buffers().keySet())
        .containsExactly("bn1.running_mean", "bn1.running_var", "bn1.num_batches_tracked");
    assertThat(model.parameterCount()).isEqualTo(4 * 9 + 4 + 4 + 4 + 16 + 4 + 32);
    assertThat(model.parameters().values()).allMatch(Tensor::requiresGrad);
    assertThat(model.buffers().values()).noneMatch(Tensor::requiresGrad);
  }

  @Test
  void aLayerThatIsUsedTwiceCountsOnce() {
    Custom custom = new Custom(Rng.of(1));
    assertThat(custom.parameters().keySet()).containsExactly("scale", "first.weight", "first.bias");
    assertThat(custom.parameterCount()).isEqualTo(3 + 9 + 3);
    assertThat(custom.children()).containsOnlyKeys("first", "second");
  }

  @Test
  void namesAreCheckedWhenTheyAreRegistered() {
    assertThatThrownBy(() -> Sequential.of(Map.of("a.b", new Relu())))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("module: names must not be empty or contain dots, found 'a.b'");
    assertThatThrownBy(() -> Sequential.of(Map.of("", new Relu())))
        .hasMessageContaining("names must not be empty");
    assertThatThrownBy(() -> Sequential.builder().add("x", new Relu()).add("x", new Relu()))
        .hasMessage("sequential: two layers are named 'x'");
    assertThatThrownBy(
            () ->
                new Module() {
                  {
                    parameter("w", Tensor.ones(1));
                    buffer("w", Tensor.ones(1));
                  }

                  @Override
                  public Tensor forward(Tensor input, Mode mode) {
                    return input;
                  }
                })
        .hasMessage("module: the name 'w' is taken already");
  }

  @Test
  void inferenceRecordsNothingAndKeepsOnlyTheOutput() {
    Module model = convolutional();
    Tensor input = Tensor.ones(2, 1, 2, 2);
    Tensor output = model.forward(input);
    assertThat(output.isTracked()).isFalse();
    assertThat(output.isClosed()).isFalse();
    assertThat(output.shape()).isEqualTo(Shape.of(2, 2));
    assertThat(input.isClosed()).isFalse();
    assertThat(model.forward(input, Mode.INFERENCE).isTracked()).isTrue();
  }

  @Test
  void aModuleThatPassesItsInputOnDoesNotCloseIt() {
    Tensor input = Tensor.ones(3);
    assertThat(Dropout.of(0.5).forward(input)).isSameAs(input);
    assertThat(Sequential.of().forward(input).isClosed()).isFalse();
  }

  @Test
  void oneInstanceServesWhileItTrains() throws InterruptedException {
    Module model = Sequential.of(Linear.of(4, 4, Rng.of(1)), Dropout.of(0.5));
    Tensor input = Tensor.ones(8, 4);
    byte[] expected = model.forward(input).toByteArray();
    boolean[] same = {true};
    Thread server =
        Thread.ofPlatform()
            .start(
                () -> {
                  for (int i = 0; i < 50; i++) {
                    same[0] &=
                        java.util.Arrays.equals(expected, model.forward(input).toByteArray());
                  }
                });
    Rng rng = Rng.of(2);
    for (int i = 0; i < 50; i++) {
      model.forward(input, Mode.training(rng)).mean().backward().close();
    }
    server.join();
    assertThat(same[0]).isTrue();
  }

  @Test
  void weightsMoveBetweenDtypesAndDevices() {
    Module model = convolutional();
    Tensor before = model.parameters().get("fc.weight");
    byte[] bits = before.toByteArray();
    model.to(DType.F64).to(Device.reference());
    assertThat(model.parameters().values())
        .allMatch(w -> w.dtype() == DType.F64 && w.requiresGrad())
        .allMatch(w -> w.device() == Device.reference());
    assertThat(model.buffers().get("bn1.num_batches_tracked").dtype()).isEqualTo(DType.I64);
    assertThat(before.isClosed()).isTrue();
    model.to(DType.F32);
    assertThat(model.parameters().get("fc.weight").toByteArray()).isEqualTo(bits);
    assertThatThrownBy(() -> model.to(DType.I32))
        .hasMessage("module: weights need a float dtype, found I32");
  }

  @Test
  void theSameSeedGivesTheSameWeights() {
    Module first = convolutional();
    Module second = convolutional();
    first
        .parameters()
        .forEach(
            (name, weight) ->
                assertThat(second.parameters().get(name).toByteArray())
                    .as(name)
                    .isEqualTo(weight.toByteArray()));
  }

  @Test
  void theDescriptionShowsTheStructure() {
    assertThat(Residual.of(Sequential.of(Linear.of(4, 4, Rng.of(1)), new Relu())).toString())
        .isEqualTo(
            """
            Residual()
              body: Sequential()
                0: Linear(in=4, out=4, bias=true)
                1: Relu()\
            """);
    assertThat(new Custom(Rng.of(1)).toString())
        .isEqualTo(
            """
            Custom
              first: Linear(in=3, out=3, bias=true)
              second: Linear(in=3, out=3, bias=true)\
            """);
  }

  @Test
  void inferenceHasNoRandomNumbers() {
    assertThatThrownBy(Mode.INFERENCE::rng)
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("mode: inference has no random numbers");
    assertThat(Mode.INFERENCE).hasToString("inference");
    assertThat(Mode.training(Rng.of(1))).hasToString("training");
  }

  @Test
  void aResidualThatChangesTheShapeSaysSo() {
    Module residual = Residual.of(Linear.of(3, 2, Rng.of(1)));
    assertThatThrownBy(() -> residual.forward(Tensor.ones(1, 3)))
        .hasMessageContaining("residual: the body gives [1, 2], the shortcut [1, 3]");
    Module fixed = Residual.of(Linear.of(3, 2, Rng.of(1)), Linear.of(3, 2, Rng.of(2)));
    assertThat(fixed.forward(Tensor.ones(1, 3)).shape()).isEqualTo(Shape.of(1, 2));
  }
}
