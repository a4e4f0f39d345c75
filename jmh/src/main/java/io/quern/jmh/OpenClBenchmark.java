package io.quern.jmh;

import io.quern.Device;
import io.quern.Quern;
import io.quern.Rng;
import io.quern.Tensor;
import io.quern.plan.Compiled;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
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

/**
 * A product of matrices of 1024 x 1024 and a chain of five functions on 64 MiB, on an OpenCL device
 * and on the CPU with all of its cores, which PoCL takes, too.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(3)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 3, time = 1)
public class OpenClBenchmark {
  private static final int SIZE = 1024;

  /** Where it runs. */
  @Param({"opencl", "cpu"})
  public String device;

  /** What is computed. */
  @Param({"matmul", "chain"})
  public String work;

  private Compiled compiled;
  private Tensor[] arguments;
  private Tensor[] results;

  /** Compiles the work. */
  @Setup(Level.Trial)
  public void setUp() {
    Device where = Device.of(device);
    long rows = work.equals("matmul") ? SIZE : MemoryBenchmark.ROWS;
    Tensor x = Rng.of(1).normal(rows, SIZE).to(where);
    Tensor y = Rng.of(2).normal(rows, SIZE).to(where);
    Function<List<Tensor>, List<Tensor>> function =
        work.equals("matmul")
            ? in -> List.of(in.get(0).matmul(in.get(1)))
            : in -> List.of(in.get(0).mul(in.get(1)).add(0.5).relu().mul(2).sub(in.get(1)));
    arguments = new Tensor[] {x, y};
    compiled = Quern.compile(where, function, List.of(x.spec(), y.spec())).warmUp();
    results = new Tensor[] {x.fullLike(0)};
  }

  /** One run. */
  @Benchmark
  public void run() {
    compiled.runInto(arguments, results);
    compiled.plan().device().context().finish();
  }
}
