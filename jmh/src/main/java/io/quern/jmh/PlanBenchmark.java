package io.quern.jmh;

import io.quern.Device;
import io.quern.Quern;
import io.quern.Tensor;
import io.quern.op.Unary;
import io.quern.plan.Compiled;
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

/** A run of a plan whose kernels do nothing: what plans add to their kernels' time. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(5)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
public class PlanBenchmark {
  /** Steps of the plan that {@link Compare} asks for. */
  static final int STEPS = 64;

  /** Steps of the plan. */
  @Param({"1", "64"})
  public int steps;

  private Compiled compiled;
  private Tensor[] arguments;
  private Tensor[] results;

  /** Compiles the steps, without passes that would make one of many. */
  @Setup(Level.Trial)
  public void setUp() {
    Device idle = Device.of("idle");
    arguments = new Tensor[] {Tensor.zeros(8).to(idle)};
    results = new Tensor[] {Tensor.zeros(8).to(idle)};
    compiled =
        Quern.compile(idle, in -> List.of(chain(in.getFirst())), List.of(arguments[0].spec()))
            .with();
    int found = compiled.plan().steps();
    if (found != steps) {
      throw new IllegalStateException("expected " + steps + " steps, found " + found);
    }
  }

  private Tensor chain(Tensor x) {
    Unary.Fn[] functions = {Unary.Fn.NEG, Unary.Fn.ABS, Unary.Fn.SQUARE};
    for (int i = 0; i < steps; i++) {
      x = x.map(functions[i % functions.length]);
    }
    return x;
  }

  /** One run. */
  @Benchmark
  public void quern() {
    compiled.runInto(arguments, results);
  }
}
