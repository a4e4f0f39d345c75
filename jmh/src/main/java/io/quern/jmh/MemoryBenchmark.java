package io.quern.jmh;

import io.quern.DType;
import io.quern.Device;
import io.quern.Quern;
import io.quern.Rng;
import io.quern.Tensor;
import io.quern.nn.Losses;
import io.quern.op.AdamStep;
import io.quern.op.LayerNorm;
import io.quern.op.TensorSpec;
import io.quern.plan.Compiled;
import io.quern.runtime.Workers;
import java.util.ArrayList;
import java.util.Arrays;
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
 * Work that memory bounds, compiled, on 64 MiB of floats in rows of 1024. {@code copy} is a plain
 * copy of the same tensor to compare with.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(5)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
public class MemoryBenchmark {
  /** Rows of the tensors. */
  public static final int ROWS = 16384;

  /** Floats of a row. */
  public static final int COLUMNS = 1024;

  /** What is computed. */
  @Param({"copy", "chain", "softmax", "layer_norm", "sum", "chain_sum", "adam"})
  public String work;

  /** Threads that compute. */
  @Param({"1", "2"})
  public int workers;

  private Compiled compiled;
  private Tensor[] arguments;
  private Tensor[] results;

  /** Bytes that {@code work} reads and writes. */
  public static long bytes(String work) {
    long tensor = 4L * ROWS * COLUMNS;
    return switch (work) {
      case "copy", "softmax", "layer_norm", "chain_sum" -> 2 * tensor;
      case "chain" -> 3 * tensor;
      case "sum" -> tensor;
      case "adam" -> 7 * tensor;
      default -> throw new IllegalArgumentException(work);
    };
  }

  /** Compiles the work. */
  @Setup(Level.Trial)
  public void setUp() {
    Workers.setThreads(workers);
    Rng rng = Rng.of(1);
    Tensor x = rng.normal(ROWS, COLUMNS);
    Tensor y = rng.normal(ROWS, COLUMNS);
    Tensor row = rng.normal(COLUMNS);
    Tensor m = x.fullLike(0);
    Tensor v = x.fullLike(0);
    Tensor factors = Tensor.of(new float[] {1e-3f, 0.1f, 0.1f});
    AdamStep adam = new AdamStep(0.9, 0.999, 1e-8, 0.01, true);
    Function<List<Tensor>, List<Tensor>> function =
        switch (work) {
          case "copy" -> in -> List.of(in.get(0));
          case "chain" ->
              in -> List.of(in.get(0).mul(in.get(1)).add(0.5).relu().mul(2).sub(in.get(1)));
          case "softmax" -> in -> List.of(in.get(0).softmax(1));
          case "layer_norm" ->
              in -> List.of(Tensor.apply(new LayerNorm(1, 1e-5), in.get(0), row, row));
          case "sum" -> in -> List.of(in.get(0).sum(1));
          case "chain_sum" -> in -> List.of(Losses.mse(in.get(0), in.get(1)));
          case "adam" ->
              in -> {
                Tensor.applyInto(adam, List.of(x, in.get(0), m, v, factors), List.of(x, m, v));
                return List.of();
              };
          default -> throw new IllegalArgumentException(work);
        };
    arguments = work.startsWith("chain") ? new Tensor[] {x, y} : new Tensor[] {y};
    List<TensorSpec> specs = Arrays.stream(arguments).map(Tensor::spec).toList();
    compiled = Quern.compile(Device.cpu(), function, specs).warmUp();
    List<Tensor> outputs = new ArrayList<>();
    for (TensorSpec spec : compiled.plan().outputs()) {
      outputs.add(Tensor.full(0, DType.F32, Device.cpu(), spec.shape().toArray()));
    }
    results = outputs.toArray(Tensor[]::new);
  }

  /** One pass. */
  @Benchmark
  public void quern() {
    compiled.runInto(arguments, results);
  }
}
