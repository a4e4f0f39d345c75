package io.quern.jmh.peers;

import ai.djl.Model;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import ai.djl.nn.Blocks;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.convolutional.Conv2d;
import ai.djl.nn.core.Linear;
import ai.djl.nn.pooling.Pool;
import ai.djl.training.DefaultTrainingConfig;
import ai.djl.training.GradientCollector;
import ai.djl.training.Trainer;
import ai.djl.training.loss.Loss;
import ai.djl.training.optimizer.Optimizer;
import ai.djl.training.tracker.Tracker;
import io.quern.jmh.TrainBenchmark;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** {@link TrainBenchmark} through libtorch: the same layers, loss and optimiser. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(5)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
public class TorchTrainBenchmark {
  private static final int BATCH = TrainBenchmark.BATCH;

  /** {@code cnn} or {@code mlp}. */
  @Param({"cnn", "mlp"})
  public String network;

  /** Threads that compute. */
  @Param({"1", "2"})
  public int workers;

  private Model model;
  private Trainer trainer;
  private NDArray images;
  private NDArray labels;

  private static SequentialBlock network(String name) {
    if (name.equals("mlp")) {
      return new SequentialBlock()
          .add(Blocks.batchFlattenBlock())
          .add(Linear.builder().setUnits(512).build())
          .add(Activation.reluBlock())
          .add(Linear.builder().setUnits(512).build())
          .add(Activation.reluBlock())
          .add(Linear.builder().setUnits(10).build());
    }
    Shape pair = new Shape(2, 2);
    return new SequentialBlock()
        .add(convolution(32))
        .add(Activation.reluBlock())
        .add(Pool.maxPool2dBlock(pair, pair))
        .add(convolution(64))
        .add(Activation.reluBlock())
        .add(Pool.maxPool2dBlock(pair, pair))
        .add(Blocks.batchFlattenBlock())
        .add(Linear.builder().setUnits(128).build())
        .add(Activation.reluBlock())
        .add(Linear.builder().setUnits(10).build());
  }

  private static Conv2d convolution(int filters) {
    return Conv2d.builder()
        .setKernelShape(new Shape(3, 3))
        .optPadding(new Shape(1, 1))
        .setFilters(filters)
        .build();
  }

  /** Makes the network and one batch. */
  @Setup(Level.Trial)
  public void setUp() {
    Torch.start(workers);
    Tracker rate = Tracker.fixed((float) TrainBenchmark.LEARNING_RATE);
    model = Model.newInstance(network, "PyTorch");
    model.setBlock(network(network));
    trainer =
        model.newTrainer(
            new DefaultTrainingConfig(Loss.softmaxCrossEntropyLoss())
                .optOptimizer(Optimizer.adam().optLearningRateTracker(rate).build()));
    trainer.initialize(new Shape(BATCH, 1, 28, 28));
    NDManager manager = trainer.getManager();
    images = manager.randomUniform(0, 1, new Shape(BATCH, 1, 28, 28), DataType.FLOAT32);
    labels = manager.zeros(new Shape(BATCH), DataType.INT64).add(3);
  }

  /** Releases them. */
  @TearDown(Level.Trial)
  public void tearDown() {
    trainer.close();
    model.close();
  }

  /** Forward, backward, update. */
  @Benchmark
  public void libtorch() {
    try (NDManager scope = trainer.getManager().newSubManager()) {
      images.tempAttach(scope);
      labels.tempAttach(scope);
      try (GradientCollector collector = trainer.newGradientCollector()) {
        NDList prediction = trainer.forward(new NDList(images), new NDList(labels));
        NDArray loss = trainer.getLoss().evaluate(new NDList(labels), prediction);
        collector.backward(loss);
      }
      trainer.step();
    }
  }
}
