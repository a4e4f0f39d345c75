package io.quern.jmh.peers;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import io.quern.jmh.ConvBenchmark;
import io.quern.jmh.ConvLayer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
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

/** {@link ConvBenchmark} through ONNX Runtime: one session per layer. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(5)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
public class OnnxConvBenchmark {
  /** A file of {@code jmh/shapes}. */
  @Param("resnet50")
  public String layers;

  /** Threads that compute. */
  @Param({"1", "2"})
  public int workers;

  private final List<Pass> passes = new ArrayList<>();

  private record Pass(OrtSession session, OnnxTensor image, OnnxTensor output, int count) {
    void run() throws OrtException {
      for (int i = 0; i < count; i++) {
        session.run(Map.of("x", image), Map.of("y", output)).close();
      }
    }
  }

  /** Opens the sessions. */
  @Setup(Level.Trial)
  public void setUp() throws OrtException {
    OrtEnvironment environment = OrtEnvironment.getEnvironment();
    for (ConvLayer layer : ConvLayer.read(layers)) {
      OrtSession.SessionOptions options = new OrtSession.SessionOptions();
      options.setIntraOpNumThreads(workers);
      options.setInterOpNumThreads(1);
      OrtSession session = environment.createSession(OnnxConvModel.of(layer), options);
      OnnxTensor image =
          OnnxTensor.createTensor(
              environment, new float[1][layer.channels()][layer.size()][layer.size()]);
      int size = layer.outputSize();
      OnnxTensor output =
          OnnxTensor.createTensor(environment, new float[1][layer.out()][size][size]);
      passes.add(new Pass(session, image, output, layer.count()));
    }
  }

  /** Every layer. */
  @Benchmark
  public void onnxRuntime() throws OrtException {
    for (Pass pass : passes) {
      pass.run();
    }
  }
}
