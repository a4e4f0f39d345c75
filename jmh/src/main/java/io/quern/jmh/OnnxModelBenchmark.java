package io.quern.jmh;

import io.quern.Device;
import io.quern.Rng;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.onnx.ElementType;
import io.quern.onnx.OnnxModel;
import io.quern.plan.Compiled;
import io.quern.runtime.Workers;
import java.io.IOException;
import java.nio.file.Path;
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

/** An ONNX model through its plan. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(5)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
public class OnnxModelBenchmark {
  /** See {@link OnnxModels#file}. */
  @Param("minilm")
  public String model;

  /** Dimensions of all inputs. */
  @Param("8x128")
  public String shape;

  /** Threads that compute. */
  @Param({"1", "2"})
  public int workers;

  private Path file;
  private Compiled compiled;
  private Tensor[] arguments;
  private Tensor[] results;

  /** Reads and compiles the model. */
  @Setup(Level.Trial)
  public void setUp() throws IOException {
    Workers.setThreads(workers);
    file = OnnxModels.file(model);
    OnnxModel onnx = OnnxModel.load(file);
    Shape dims = Shape.of(OnnxModels.dims(shape));
    arguments = onnx.inputs().stream().map(input -> argument(input, dims)).toArray(Tensor[]::new);
    compiled = compile(onnx).warmUp();
    results =
        compiled.plan().outputs().stream()
            .map(spec -> Tensor.full(0, spec.dtype(), Device.cpu(), spec.shape().toArray()))
            .toArray(Tensor[]::new);
  }

  private Compiled compile(OnnxModel onnx) {
    return onnx.compile(List.of(arguments).stream().map(Tensor::spec).toList());
  }

  private static Tensor argument(OnnxModel.Parameter input, Shape dims) {
    return input.type() == ElementType.FLOAT
        ? Rng.of(1).normal(dims, 0, 1)
        : Tensor.full(1, input.type().dtype(), Device.cpu(), dims.toArray());
  }

  /** One run. */
  @Benchmark
  public void quern() {
    compiled.runInto(arguments, results);
  }

  /** From the file to the first result. */
  @Benchmark
  public void load() throws IOException {
    try (OnnxModel loaded = OnnxModel.load(file);
        Compiled function = compile(loaded)) {
      function.runInto(arguments, results);
    }
  }
}
