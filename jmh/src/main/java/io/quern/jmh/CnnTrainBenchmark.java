package io.quern.jmh;

import io.quern.DType;
import io.quern.Device;
import io.quern.Rng;
import io.quern.Tensor;
import io.quern.TensorScope;
import io.quern.grad.Gradients;
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
import io.quern.runtime.Workers;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * A training step of a small convolutional network on 28x28 images, batch 128, with Adam; the score
 * is images per second.
 */
@State(Scope.Benchmark)
@BenchmarkMode(org.openjdk.jmh.annotations.Mode.Throughput)
@Fork(5)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
public class CnnTrainBenchmark {
  /** Images of a step. */
  public static final int BATCH = 128;

  /** Threads that compute. */
  @Param({"1", "2"})
  public int workers;

  private Module model;
  private Adam optimizer;
  private Tensor images;
  private Tensor labels;

  /** The network: conv 32, conv 64, each with relu and 2x2 maxima, then 128 and 10 units. */
  static Module network(Rng rng) {
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
    model = network(rng);
    optimizer = Adam.of(model.parameters(), 1e-3);
    images = rng.uniform(BATCH, 1, 28, 28);
    labels = Tensor.of(new long[BATCH]).add(3);
    assert labels.dtype() == DType.I64 && images.device() == Device.cpu();
  }

  /** Forward, backward, update. */
  @Benchmark
  @OperationsPerInvocation(BATCH)
  public void quern() {
    try (var _ = TensorScope.open("a step")) {
      Tensor loss = Losses.crossEntropy(model.forward(images, Mode.training(Rng.of(1))), labels);
      Gradients gradients = loss.backward();
      optimizer.step(gradients);
    }
  }
}
