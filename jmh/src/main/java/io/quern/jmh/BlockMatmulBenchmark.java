package io.quern.jmh;

import io.quern.DType;
import io.quern.Device;
import io.quern.Quern;
import io.quern.Rng;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.op.BlockMatMul;
import io.quern.plan.Compiled;
import io.quern.runtime.Workers;
import java.util.List;
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
import org.openjdk.jmh.annotations.Warmup;

/** Products of floats and constant weights of few bits, in blocks of 32; shape MxKxN. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(5)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
public class BlockMatmulBenchmark {
  private static final int BLOCK = 32;

  /** Sizes of the product. */
  @Param({"1x4096x4096", "64x4096x4096"})
  public String shape;

  /** Bits of a weight. */
  @Param({"4", "8"})
  public int bits;

  /** Threads that compute. */
  @Param({"1", "2"})
  public int workers;

  private Compiled compiled;
  private Tensor[] arguments;
  private Tensor[] result;

  /** Bytes of packed weights, without their scales. */
  static double bytes(String shape, int bits) {
    long[] sizes = MatmulBenchmark.sizes(shape);
    return sizes[1] * sizes[2] * bits / 8.0;
  }

  /** Makes the operands. */
  @Setup(Level.Trial)
  public void setUp() {
    Workers.setThreads(workers);
    long[] sizes = MatmulBenchmark.sizes(shape);
    long n = sizes[2];
    long blocks = (sizes[1] + BLOCK - 1) / BLOCK;
    Rng rng = Rng.of(1);
    Tensor packed = rng.uniform(Shape.of(n, blocks, BLOCK * bits / 8), 0, 256).to(DType.U8);
    Tensor scales = rng.uniform(Shape.of(n, blocks), 0, 1);
    BlockMatMul product = new BlockMatMul(bits, BLOCK);
    arguments = new Tensor[] {rng.normal(sizes[0], sizes[1])};
    result = new Tensor[] {Tensor.full(0, DType.F32, Device.cpu(), sizes[0], n)};
    compiled =
        Quern.compile(
            Device.cpu(),
            in -> List.of(Tensor.apply(product, in.getFirst(), packed, scales)),
            List.of(arguments[0].spec()));
    compiled.warmUp();
  }

  /** One product. */
  @Benchmark
  public void quern() {
    compiled.runInto(arguments, result);
  }
}
