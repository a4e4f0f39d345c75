package io.quern.train;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.Batch;
import io.quern.ChildJvm;
import io.quern.Rng;
import io.quern.Tensor;
import io.quern.grad.Gradients;
import io.quern.nn.Linear;
import io.quern.nn.Losses;
import io.quern.nn.Mode;
import io.quern.nn.Module;
import io.quern.optim.Optimizer;
import io.quern.optim.Sgd;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Compiled steps change what the eager step changes. */
class TrainStepTest {
  /** Two layers of equal shapes, of which one is used: the first for single examples. */
  private static final class Heads extends Module {
    private final Linear first = child("first", Linear.of(2, 2, Rng.of(1)));
    private final Linear second = child("second", Linear.of(2, 2, Rng.of(2)));

    @Override
    public Tensor forward(Tensor input, Mode mode) {
      return (input.dim(0) == 1 ? first : second).forward(input, mode);
    }
  }

  private static TrainStep step(Module model, Optimizer optimizer) {
    return new TrainStep(model, optimizer, Losses::crossEntropy, Mode.training(Rng.of(3)));
  }

  @Test
  void eachShapeOfBatchesChangesTheParametersThatItUses() {
    Module model = new Heads();
    Optimizer optimizer = Sgd.of(model.parameters(), 0.5);
    TrainStep step = step(model, optimizer);
    Module eager = new Heads();
    Optimizer eagerOptimizer = Sgd.of(eager.parameters(), 0.5);
    for (int size : new int[] {1, 3, 1, 3}) {
      Batch batch = TinyData.xor(size, size);
      step.update(step.forwardBackward(batch.input(), batch.target()).gradients());
      Tensor prediction = eager.forward(batch.input(), Mode.training(Rng.of(3)));
      eagerOptimizer.step(Losses.crossEntropy(prediction, batch.target()).backward());
    }
    eager
        .parameters()
        .forEach(
            (name, expected) ->
                assertThat(model.parameters().get(name).toFloatArray())
                    .as(name)
                    .isEqualTo(expected.toFloatArray()));
  }

  @Test
  void gradientsOfSomeParametersChangeThose() {
    Module model = new Heads();
    Map<String, Tensor> parameters = model.parameters();
    TrainStep step = step(model, Sgd.of(parameters, 1));
    for (String name : List.of("first.weight", "second.weight", "first.weight")) {
      Tensor changed = parameters.get(name);
      Tensor other = parameters.get(name.equals("first.weight") ? "second.weight" : "first.weight");
      float[] expected = changed.sub(1).toFloatArray();
      float[] untouched = other.toFloatArray();
      step.update(Gradients.of(List.of(changed), List.of(Tensor.ones(2, 2))));
      assertThat(changed.toFloatArray()).isEqualTo(expected);
      assertThat(other.toFloatArray()).isEqualTo(untouched);
    }
  }

  /** Child process, and the configuration of its logging, which says that it is loaded. */
  public static final class Logging {
    /** For the JVM. */
    public Logging() {
      System.out.println("logging is loaded");
    }

    public static void main(String[] args) throws ClassNotFoundException {
      Class.forName("io.quern.train.TrainStep");
      System.out.println("initialised");
    }
  }

  /** It takes as long as opening a device. */
  @Test
  void loggingIsNotLoadedBeforeThereIsSomethingToSay() {
    String option = "-Djava.util.logging.config.class=" + Logging.class.getName();
    assertThat(ChildJvm.run(List.of(option), Logging.class)).isEqualTo("initialised");
  }
}
