package io.quern.jmh.peers;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.quern.jmh.MemoryBenchmark;
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

/** {@link MemoryBenchmark} through libtorch, in place where it can be, which spares it memory. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(5)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
public class TorchMemoryBenchmark {
  /** What is computed. */
  @Param({"chain", "softmax", "layer_norm", "sum", "chain_sum"})
  public String work;

  /** Threads that compute. */
  @Param({"1", "2"})
  public int workers;

  private NDManager manager;
  private NDArray x;
  private NDArray y;
  private NDArray row;

  /** Makes the operands. */
  @Setup(Level.Trial)
  public void setUp() {
    Torch.start(workers);
    manager = NDManager.newBaseManager();
    Shape shape = new Shape(MemoryBenchmark.ROWS, MemoryBenchmark.COLUMNS);
    x = manager.randomNormal(0, 1, shape, DataType.FLOAT32);
    y = manager.randomNormal(0, 1, shape, DataType.FLOAT32);
    row = manager.randomNormal(0, 1, new Shape(MemoryBenchmark.COLUMNS), DataType.FLOAT32);
  }

  /** Releases them. */
  @TearDown(Level.Trial)
  public void tearDown() {
    manager.close();
  }

  /** One pass. */
  @Benchmark
  public void libtorch() {
    switch (work) {
      case "chain" -> {
        try (NDArray product = x.mul(y)) {
          product.addi(0.5f);
          try (NDArray relu = ai.djl.nn.Activation.relu(product)) {
            relu.muli(2f);
            relu.subi(y);
          }
        }
      }
      case "softmax" -> x.softmax(1).close();
      case "layer_norm" ->
          ai.djl.nn.norm.LayerNorm.layerNorm(x, new Shape(MemoryBenchmark.COLUMNS), row, row, 1e-5f)
              .singletonOrThrow()
              .close();
      case "sum" -> x.sum(new int[] {1}).close();
      case "chain_sum" -> {
        try (NDArray difference = x.sub(y)) {
          difference.muli(difference);
          difference.mean().close();
        }
      }
      default -> throw new IllegalArgumentException(work);
    }
  }
}
