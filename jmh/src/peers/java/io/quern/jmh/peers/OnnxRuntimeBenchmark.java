package io.quern.jmh.peers;

import ai.onnxruntime.NodeInfo;
import ai.onnxruntime.OnnxJavaType;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import ai.onnxruntime.TensorInfo;
import io.quern.jmh.OnnxModelBenchmark;
import io.quern.jmh.OnnxModels;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.SplittableRandom;
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

/** {@link OnnxModelBenchmark} through ONNX Runtime. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(5)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
public class OnnxRuntimeBenchmark {
  /** See {@link OnnxModels#file}. */
  @Param("minilm")
  public String model;

  /** Dimensions of all inputs. */
  @Param("8x128")
  public String shape;

  /** Threads that compute. */
  @Param({"1", "2"})
  public int workers;

  private final Map<String, OnnxTensor> arguments = new HashMap<>();
  private final Map<String, OnnxTensor> results = new HashMap<>();
  private String file;
  private OrtSession session;

  /** Opens the session, and runs it once to learn the shapes of the outputs. */
  @Setup(Level.Trial)
  public void setUp() throws OrtException, IOException {
    file = OnnxModels.file(model).toString();
    OrtEnvironment environment = OrtEnvironment.getEnvironment();
    session = open();
    long[] dims = OnnxModels.dims(shape);
    for (Map.Entry<String, NodeInfo> input : session.getInputInfo().entrySet()) {
      arguments.put(input.getKey(), tensor(environment, input.getValue(), dims, true));
    }
    try (OrtSession.Result first = session.run(arguments)) {
      for (var output : first) {
        long[] found = ((OnnxTensor) output.getValue()).getInfo().getShape();
        NodeInfo info = session.getOutputInfo().get(output.getKey());
        results.put(output.getKey(), tensor(environment, info, found, false));
      }
    }
  }

  private OrtSession open() throws OrtException {
    try (OrtSession.SessionOptions options = new OrtSession.SessionOptions()) {
      options.setIntraOpNumThreads(workers);
      options.setInterOpNumThreads(1);
      return OrtEnvironment.getEnvironment().createSession(file, options);
    }
  }

  private static OnnxTensor tensor(
      OrtEnvironment environment, NodeInfo info, long[] dims, boolean filled) throws OrtException {
    int count = Math.toIntExact(Arrays.stream(dims).reduce(1, Math::multiplyExact));
    if (((TensorInfo) info.getInfo()).type == OnnxJavaType.FLOAT) {
      float[] values = new float[count];
      SplittableRandom random = new SplittableRandom(1);
      for (int i = 0; filled && i < count; i++) {
        values[i] = (float) random.nextGaussian();
      }
      FloatBuffer direct =
          java.nio.ByteBuffer.allocateDirect(4 * count)
              .order(java.nio.ByteOrder.nativeOrder())
              .asFloatBuffer();
      direct.put(values).flip();
      return OnnxTensor.createTensor(environment, direct, dims);
    }
    LongBuffer direct =
        java.nio.ByteBuffer.allocateDirect(8 * count)
            .order(java.nio.ByteOrder.nativeOrder())
            .asLongBuffer();
    for (int i = 0; i < count; i++) {
      direct.put(1);
    }
    return OnnxTensor.createTensor(environment, direct.flip(), dims);
  }

  /** One run. */
  @Benchmark
  public void onnxRuntime() throws OrtException {
    session.run(arguments, results).close();
  }

  /** From the file to the first result. */
  @Benchmark
  public void load() throws OrtException {
    try (OrtSession loaded = open()) {
      loaded.run(arguments, results).close();
    }
  }
}
