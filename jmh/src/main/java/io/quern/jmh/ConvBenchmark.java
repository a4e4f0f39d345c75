package io.quern.jmh;

import io.quern.DType;
import io.quern.Quern;
import io.quern.Rng;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.op.Conv2d;
import io.quern.op.TensorSpec;
import io.quern.op.Window;
import io.quern.plan.Compiled;
import io.quern.runtime.Workers;
import java.util.ArrayList;
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

/** All convolutions of a network with bias, one after another, as often as the network has them. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(5)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
public class ConvBenchmark {
  /** A file of {@code jmh/shapes}. */
  @Param("resnet50")
  public String layers;

  /** Threads that compute. */
  @Param({"1", "2"})
  public int workers;

  private final List<Pass> passes = new ArrayList<>();

  @SuppressWarnings("ArrayRecordComponent") // never compared
  private record Pass(Compiled layer, Tensor[] image, Tensor[] output, int count) {
    void run() {
      for (int i = 0; i < count; i++) {
        layer.runInto(image, output);
      }
    }
  }

  /** Compiles the layers. */
  @Setup(Level.Trial)
  public void setUp() {
    Workers.setThreads(workers);
    Rng rng = Rng.of(1);
    for (ConvLayer layer : ConvLayer.read(layers)) {
      Window window = Window.of(layer.kernel()).stride(layer.stride()).padding(layer.padding());
      Tensor weight = rng.normal(layer.out(), layer.channels(), layer.kernel(), layer.kernel());
      Tensor bias = rng.normal(layer.out());
      Shape image = Shape.of(1, layer.channels(), layer.size(), layer.size());
      Compiled compiled =
          Quern.compile(
              x -> Tensor.apply(new Conv2d(window, 1), x, weight, bias),
              new TensorSpec(DType.F32, image));
      Tensor output = Tensor.zeros(1, layer.out(), layer.outputSize(), layer.outputSize());
      Tensor input = rng.normal(image, 0, 1);
      passes.add(new Pass(compiled, new Tensor[] {input}, new Tensor[] {output}, layer.count()));
    }
  }

  /** Every layer. */
  @Benchmark
  public void quern() {
    passes.forEach(Pass::run);
  }
}
