package io.quern.onnx;

import ai.onnxruntime.OnnxJavaType;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import ai.onnxruntime.TensorInfo;
import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.conformance.HostArray;
import io.quern.op.TensorSpec;
import java.lang.foreign.MemorySegment;
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
    Map<String, double[]> results = new LinkedHashMap<>();
    arrays(arguments).forEach((name, array) -> results.put(name, array.values()));
    return results;
  }

  /** The outputs that are tensors of numbers, by name. */
  Map<String, HostArray> arrays(Map<String, Tensor> arguments) throws OrtException {
    Map<String, OnnxTensor> inputs = new HashMap<>();
    try {
      for (Map.Entry<String, Tensor> argument : arguments.entrySet()) {
        inputs.put(argument.getKey(), tensor(argument.getValue()));
      }
      Map<String, HostArray> results = new LinkedHashMap<>();
      try (OrtSession.Result result = session.run(inputs)) {
        for (Map.Entry<String, ai.onnxruntime.OnnxValue> output : result) {
          if (output.getValue() instanceof OnnxTensor tensor) {
            results.put(output.getKey(), array(tensor));
          }
        }
      }
      return results;
    } finally {
      inputs.values().forEach(OnnxTensor::close);
    }
  }

  private OnnxTensor tensor(Tensor tensor) throws OrtException {
    byte[] bytes = tensor.toByteArray();
    ByteBuffer direct = ByteBuffer.allocateDirect(bytes.length).order(ByteOrder.nativeOrder());
    direct.put(bytes).flip();
    return OnnxTensor.createTensor(
        environment, direct, tensor.shape().toArray(), javaType(tensor.dtype()));
  }

  /** Whether the Java interface has tensors of this type. */
  static boolean passes(DType dtype) {
    return dtype != DType.U16 && dtype != DType.U32 && dtype != DType.U64;
  }

  private static OnnxJavaType javaType(DType dtype) {
    return switch (dtype) {
      case F32 -> OnnxJavaType.FLOAT;
      case F64 -> OnnxJavaType.DOUBLE;
      case F16 -> OnnxJavaType.FLOAT16;
      case BF16 -> OnnxJavaType.BFLOAT16;
      case I64 -> OnnxJavaType.INT64;
      case I32 -> OnnxJavaType.INT32;
      case I16 -> OnnxJavaType.INT16;
      case I8 -> OnnxJavaType.INT8;
      case U8 -> OnnxJavaType.UINT8;
      case BOOL -> OnnxJavaType.BOOL;
      default -> throw new IllegalArgumentException(dtype + " is not passed to ONNX Runtime");
    };
  }

  private static HostArray array(OnnxTensor tensor) {
    TensorInfo info = tensor.getInfo();
    DType dtype =
        switch (info.type) {
          case FLOAT -> DType.F32;
          case DOUBLE -> DType.F64;
          case FLOAT16 -> DType.F16;
          case BFLOAT16 -> DType.BF16;
          case INT64 -> DType.I64;
          case INT32 -> DType.I32;
          case INT16 -> DType.I16;
          case INT8 -> DType.I8;
          case UINT8 -> DType.U8;
          case BOOL -> DType.BOOL;
          default -> throw new IllegalArgumentException(info.type + " is not read");
        };
    TensorSpec spec = new TensorSpec(dtype, Shape.of(info.getShape()));
    return HostArray.fromBytes(spec, MemorySegment.ofBuffer(tensor.getByteBuffer()));
  }

  @Override
  public void close() throws OrtException {
    session.close();
  }
}
