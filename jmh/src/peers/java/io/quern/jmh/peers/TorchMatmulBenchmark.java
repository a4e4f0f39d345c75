package io.quern.jmh.peers;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.quern.jmh.MatmulBenchmark;
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

/** {@link MatmulBenchmark} through libtorch. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(5)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
public class TorchMatmulBenchmark {
  /** Sizes of the product. */
  @Param({"256x256x256", "512x512x512", "1024x1024x1024"})
  public String shape;

  /** Threads that compute. */
  @Param({"1", "2"})
  public int workers;

  private NDManager manager;
  private NDArray left;
  private NDArray right;

  /** Makes the operands. */
  @Setup(Level.Trial)
  public void setUp() {
    Torch.start(workers);
    long[] sizes = MatmulBenchmark.sizes(shape);
    manager = NDManager.newBaseManager();
    left = manager.randomNormal(0, 1, new Shape(sizes[0], sizes[1]), DataType.FLOAT32);
    right = manager.randomNormal(0, 1, new Shape(sizes[1], sizes[2]), DataType.FLOAT32);
  }

  /** Releases them. */
  @TearDown(Level.Trial)
  public void tearDown() {
    manager.close();
  }

  /** One product. */
  @Benchmark
  public void libtorch() {
    left.matMul(right).close();
  }
}
