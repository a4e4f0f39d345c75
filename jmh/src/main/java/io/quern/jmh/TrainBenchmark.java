package io.quern.jmh;

import io.quern.DType;
import io.quern.Device;
import io.quern.Rng;
import io.quern.Tensor;
import io.quern.nn.Conv2d;
import io.quern.nn.Flatten;
import io.quern.nn.Linear;
import io.quern.nn.Losses;
import io.quern.nn.MaxPool2d;
import io.quern.nn.Mode;
import io.quern.nn.Module;
import io.quern.nn.Relu;
import io.quern.nn.Sequential;
import io.quern.op.Window;
import io.quern.optim.Adam;
import io.quern.plan.Compiled;
import io.quern.runtime.Workers;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * A compiled training step of a small network on 28x28 images, batch 128, cross-entropy and Adam;
 * the score is images per second. Learning is too slow to be seen: with losses near zero, subnormal
 * gradients would be what is measured.
 */
@State(Scope.Benchmark)
@BenchmarkMode(org.openjdk.jmh.annotations.Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(5)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
public class TrainBenchmark {
  /** Images of a step. */
  public static final int BATCH = 128;

  /** Of all networks. */
  public static final double LEARNING_RATE = 1e-9;

  /** {@code cnn}: conv 32, conv 64, 128 units; {@code mlp}: 512, 512 units. */
  @Param({"cnn", "mlp"})
  public String network;

  /** What layers multiply in; weights are F32. */
  @Param({"F32", "BF16"})
  public DType precision;

  /** Threads that compute. */
  @Param({"1", "2"})
  public int workers;

  private Compiled step;
  private Tensor[] batch;
  private Tensor[] loss;

  private static Module network(String name, Rng rng) {
    if (name.equals("mlp")) {
      return Sequential.of(
          Flatten.of(),
          Linear.of(784, 512, rng),
          new Relu(),
          Linear.of(512, 512, rng),
          new Relu(),
          Linear.of(512, 10, rng));
    }
    Window window = Window.of(3).padding(1);
    return Sequential.of(
        Conv2d.of(1, 32, window, rng),
        new Relu(),
        MaxPool2d.of(2),
        Conv2d.of(32, 64, window, rng),
        new Relu(),
        MaxPool2d.of(2),
        Flatten.of(),
        Linear.of(64 * 7 * 7, 128, rng),
        new Relu(),
        Linear.of(128, 10, rng));
  }

  /** Makes the network and one batch. */
  @Setup(Level.Trial)
  public void setUp() {
    Workers.setThreads(workers);
    Rng rng = Rng.of(1);
    Module model = network(network, rng);
    Adam optimizer = Adam.of(model.parameters(), LEARNING_RATE);
    batch = new Tensor[] {rng.uniform(BATCH, 1, 28, 28), Tensor.of(new long[BATCH])};
    loss = new Tensor[] {Tensor.zeros()};
    step =
        Compiled.changing(
            model.parameters().values(),
            Device.cpu(),
            in -> {
              Mode mode = Mode.training(rng).precision(precision);
              Tensor prediction = model.forward(in.get(0), mode).to(DType.F32);
              Tensor value = Losses.crossEntropy(prediction, in.get(1));
              optimizer.step(value.backward());
              return List.of(value);
            },
            List.of(batch[0].spec(), batch[1].spec()));
    step.warmUp();
  }

  /** Forward, backward, update. */
  @Benchmark
  public void quern() {
    step.runInto(batch, loss);
  }
}
