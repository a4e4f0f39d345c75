package io.quern.jmh;

import io.quern.DType;
import io.quern.Device;
import io.quern.Quern;
import io.quern.Rng;
import io.quern.Tensor;
import io.quern.plan.Compiled;
import io.quern.runtime.Workers;
import java.util.Arrays;
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

/** Matrix products of floats, or of narrow ones with a constant matrix; shape MxKxN. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(5)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
public class MatmulBenchmark {
  /** Sizes of the product. */
  @Param({"256x256x256", "512x512x512", "1024x1024x1024"})
  public String shape;

  /** Type of all elements. */
  @Param("F32")
  public DType dtype;

  /** Threads that compute. */
  @Param({"1", "2"})
  public int workers;

  private Compiled compiled;
  private Tensor[] arguments;
  private Tensor[] result;

  /** The three sizes in {@code MxKxN}. */
  public static long[] sizes(String shape) {
    return Arrays.stream(shape.split("x", -1)).mapToLong(Long::parseLong).toArray();
  }

  /** Makes the operands. */
  @Setup(Level.Trial)
  public void setUp() {
    Workers.setThreads(workers);
    long[] sizes = sizes(shape);
    Rng rng = Rng.of(1);
    Tensor a = rng.normal(sizes[0], sizes[1]).to(dtype);
    Tensor b = rng.normal(sizes[1], sizes[2]).to(dtype);
    boolean isConstant = dtype != DType.F32;
    arguments = isConstant ? new Tensor[] {a} : new Tensor[] {a, b};
    result = new Tensor[] {Tensor.full(0, dtype, Device.cpu(), sizes[0], sizes[2])};
    compiled =
        Quern.compile(
            Device.cpu(),
            in -> List.of(in.getFirst().matmul(isConstant ? b : in.getLast())),
            Arrays.stream(arguments).map(Tensor::spec).toList());
  }

  /** One product. */
  @Benchmark
  public void quern() {
    compiled.runInto(arguments, result);
  }
}
