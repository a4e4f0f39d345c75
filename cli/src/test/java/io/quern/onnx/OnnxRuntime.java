package io.quern.onnx;

import ai.onnxruntime.OnnxJavaType;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import ai.onnxruntime.TensorInfo;
import io.quern.DType;
import io.quern.Tensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;

/** A model in ONNX Runtime, the oracle of imported models. */
public final class OnnxRuntime implements AutoCloseable {
  private final OrtEnvironment environment = OrtEnvironment.getEnvironment();
  private final OrtSession session;

  /** The model in memory. */
  public OnnxRuntime(byte[] model) throws OrtException {
    session = environment.createSession(model, options());
  }

  /** The model in a file. */
  public OnnxRuntime(Path model) throws OrtException {
    session = environment.createSession(model.toString(), options());
  }

  private static OrtSession.SessionOptions options() throws OrtException {
    OrtSession.SessionOptions options = new OrtSession.SessionOptions();
    options.setIntraOpNumThreads(1);
    options.setInterOpNumThreads(1);
    return options;
  }

  /** The outputs that are tensors of numbers, as doubles, by name. */
  public Map<String, double[]> run(Map<String, Tensor> arguments) throws OrtException {
    Map<String, OnnxTensor> inputs = new HashMap<>();
    for (Map.Entry<String, Tensor> argument : arguments.entrySet()) {
      inputs.put(argument.getKey(), tensor(argument.getValue()));
    }
    Map<String, double[]> results = new LinkedHashMap<>();
    try (OrtSession.Result result = session.run(inputs)) {
      for (Map.Entry<String, ai.onnxruntime.OnnxValue> output : result) {
        if (output.getValue() instanceof OnnxTensor tensor) {
          results.put(output.getKey(), doubles(tensor));
        }
      }
    } finally {
      inputs.values().forEach(OnnxTensor::close);
    }
    return results;
  }

  private OnnxTensor tensor(Tensor tensor) throws OrtException {
    byte[] bytes = tensor.toByteArray();
    ByteBuffer direct = ByteBuffer.allocateDirect(bytes.length).order(ByteOrder.nativeOrder());
    direct.put(bytes).flip();
    return OnnxTensor.createTensor(
        environment, direct, tensor.shape().toArray(), javaType(tensor.dtype()));
  }

  private static OnnxJavaType javaType(DType dtype) {
    return switch (dtype) {
      case F32 -> OnnxJavaType.FLOAT;
      case F64 -> OnnxJavaType.DOUBLE;
      case I64 -> OnnxJavaType.INT64;
      case I32 -> OnnxJavaType.INT32;
      case I8 -> OnnxJavaType.INT8;
      case U8 -> OnnxJavaType.UINT8;
      case BOOL -> OnnxJavaType.BOOL;
      default -> throw new IllegalArgumentException(dtype + " is not passed to ONNX Runtime");
    };
  }

  private static double[] doubles(OnnxTensor tensor) {
    TensorInfo info = tensor.getInfo();
    ByteBuffer bytes = tensor.getByteBuffer().order(ByteOrder.nativeOrder());
    double[] values = new double[Math.toIntExact(info.getNumElements())];
    for (int i = 0; i < values.length; i++) {
      values[i] =
          switch (info.type) {
            case FLOAT -> bytes.getFloat();
            case DOUBLE -> bytes.getDouble();
            case INT64 -> bytes.getLong();
            case INT32 -> bytes.getInt();
            case INT8, BOOL -> bytes.get();
            case UINT8 -> bytes.get() & 0xFF;
            default -> throw new IllegalArgumentException(info.type + " is not read");
          };
    }
    return values;
  }

  @Override
  public void close() throws OrtException {
    session.close();
  }
}
