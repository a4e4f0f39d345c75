package io.quern.onnx;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.TensorAccess;
import io.quern.io.FormatException;
import io.quern.onnx.ModelProto.SparseTensor;
import io.quern.onnx.ModelProto.TensorProto;
import io.quern.op.TensorSpec;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntUnaryOperator;

/** Makes values of the constants in a file; elements that lie there as in memory stay in place. */
final class TensorReader {
  private final Object source;
  private final ExternalData external;

  TensorReader(Object source, ExternalData external) {
    this.source = source;
    this.external = external;
  }

  /** The value of a constant. */
  OnnxValue read(TensorProto proto) {
    ElementType type = ElementType.of(proto.type());
    Shape shape = shape(proto, proto.dims());
    if (type == ElementType.STRING) {
      return strings(proto, shape);
    }
    DType dtype = type == null ? null : type.dtype();
    if (type == null || dtype == null) {
      throw error(
          proto,
          "elements of type " + (type == null ? proto.type() : type) + ", which is not supported");
    }
    MemorySegment bytes = bytes(proto, type);
    long expected = byteSize(shape.size(), type);
    if (bytes.byteSize() != expected) {
      throw error(
          proto,
          bytes.byteSize() + " bytes of elements, expected " + expected + " for " + type + shape);
    }
    TensorSpec spec = new TensorSpec(dtype, shape);
    if (type == ElementType.BOOL || !type.isPlain()) {
      return new OnnxValue.Dense(TensorAccess.share(widened(bytes, type, spec)), type);
    }
    if (shape.size() == 0
        || !bytes.isNative()
        || ByteOrder.nativeOrder() != ByteOrder.LITTLE_ENDIAN) {
      return new OnnxValue.Dense(TensorAccess.share(Tensor.fromSegment(bytes, dtype, shape)), type);
    }
    return new OnnxValue.Dense(TensorAccess.mapped(spec, bytes), type);
  }

  private static long byteSize(long count, ElementType type) {
    return type.bits() >= 8
        ? Math.multiplyExact(count, type.bits() / 8)
        : (Math.multiplyExact(count, type.bits()) + 7) / 8;
  }

  private Shape shape(TensorProto proto, long[] dims) {
    try {
      Shape shape = Shape.of(dims);
      Math.multiplyExact(shape.size(), 16);
      return shape;
    } catch (IllegalArgumentException | ArithmeticException e) {
      throw error(proto, "impossible dimensions (" + e.getMessage() + ")");
    }
  }

  /** The bytes of a constant's elements, which are not text. */
  MemorySegment bytes(TensorProto proto) {
    ElementType type = ElementType.of(proto.type());
    if (type == null) {
      throw error(proto, "elements of type " + proto.type() + ", which is not supported");
    }
    return bytes(proto, type);
  }

  private MemorySegment bytes(TensorProto proto, ElementType type) {
    if (proto.external() != null) {
      return external.bytes(proto.name(), proto.external());
    }
    if (proto.raw() != null) {
      return proto.raw();
    }
    Numbers numbers = proto.numbers();
    if (type.bits() == 6) {
      return joined(numbers);
    }
    int width = Math.max(1, type.bits() / 8);
    byte[] bytes = new byte[Math.multiplyExact(numbers.size(), width)];
    for (int i = 0; i < numbers.size(); i++) {
      for (int b = 0; b < width; b++) {
        bytes[i * width + b] = (byte) (numbers.get(i) >>> (8 * b));
      }
    }
    return MemorySegment.ofArray(bytes);
  }

  /** Codes of six bits as a stream of bits, the lowest ones first. */
  private static MemorySegment joined(Numbers codes) {
    byte[] bytes = new byte[Math.toIntExact((6L * codes.size() + 7) / 8)];
    for (int i = 0; i < codes.size(); i++) {
      long bit = 6L * i;
      int shifted = (int) (codes.get(i) & 0x3F) << (bit % 8);
      bytes[(int) (bit / 8)] |= (byte) shifted;
      if (shifted > 0xFF) {
        bytes[(int) (bit / 8) + 1] |= (byte) (shifted >> 8);
      }
    }
    return MemorySegment.ofArray(bytes);
  }

  private static Tensor widened(MemorySegment bytes, ElementType type, TensorSpec spec) {
    return ofCodes(i -> code(bytes, type, i), type, spec);
  }

  /** Elements of 8 bits or less in the dtype that they are kept in. */
  static Tensor ofCodes(IntUnaryOperator codes, ElementType type, TensorSpec spec) {
    int count = Math.toIntExact(spec.shape().size());
    if (!type.isSmallFloat()) {
      byte[] values = new byte[count];
      for (int i = 0; i < count; i++) {
        int code = codes.applyAsInt(i);
        boolean signed = type == ElementType.INT4 || type == ElementType.INT2;
        values[i] =
            type == ElementType.BOOL
                ? (byte) (code == 0 ? 0 : 1)
                : (byte) (signed ? (code << (32 - type.bits())) >> (32 - type.bits()) : code);
      }
      return Tensor.fromSegment(MemorySegment.ofArray(values), spec.dtype(), spec.shape());
    }
    SmallFloat format = SmallFloat.of(type);
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) format.decode(codes.applyAsInt(i));
    }
    return Tensor.fromSegment(MemorySegment.ofArray(values), spec.dtype(), spec.shape());
  }

  private static int code(MemorySegment bytes, ElementType type, int index) {
    long bit = (long) index * type.bits();
    int from = (int) (bit % 8);
    int octets = bytes.get(ValueLayout.JAVA_BYTE, bit / 8) & 0xFF;
    if (from + type.bits() > 8) {
      octets |= (bytes.get(ValueLayout.JAVA_BYTE, bit / 8 + 1) & 0xFF) << 8;
    }
    return (octets >> from) & ((1 << type.bits()) - 1);
  }

  private OnnxValue strings(TensorProto proto, Shape shape) {
    if (proto.strings().size() != shape.size()) {
      throw error(proto, proto.strings().size() + " strings, expected " + shape.size());
    }
    return new OnnxValue.Strings(shape, texts(proto.strings()));
  }

  /** Text in UTF-8. */
  static List<String> texts(List<MemorySegment> encoded) {
    List<String> texts = new ArrayList<>();
    for (MemorySegment each : encoded) {
      texts.add(text(each));
    }
    return texts;
  }

  /** Text in UTF-8. */
  static String text(MemorySegment encoded) {
    return new String(encoded.toArray(ValueLayout.JAVA_BYTE), StandardCharsets.UTF_8);
  }

  /** A sparse constant with its zeros. */
  OnnxValue read(SparseTensor proto) {
    Shape shape = shape(proto.values(), proto.dims());
    if (!(read(proto.values()) instanceof OnnxValue.Dense(Tensor values, ElementType type))
        || !(read(proto.indices()) instanceof OnnxValue.Dense(Tensor indices, ElementType _))) {
      throw error(proto.values(), "text, which sparse tensors cannot have");
    }
    long[] at = indices.toLongArray();
    int count = Math.toIntExact(values.size());
    int width = type.isPlain() ? type.bits() / 8 : values.dtype().bytes();
    if (shape.size() * width > Integer.MAX_VALUE - 8) {
      throw error(proto.values(), "dense dimensions " + shape + ", which are too large");
    }
    byte[] elements = values.toByteArray();
    byte[] all = new byte[(int) shape.size() * width];
    int rank = indices.rank() == 2 ? shape.rank() : 1;
    if (at.length != count * rank) {
      throw error(proto.indices(), at.length + " indices for " + count + " elements of " + shape);
    }
    for (int i = 0; i < count; i++) {
      long flat = 0;
      for (int d = 0; d < rank; d++) {
        long size = rank == 1 && indices.rank() != 2 ? shape.size() : shape.dim(d);
        long index = at[i * rank + d];
        if (index < 0 || index >= size) {
          throw error(proto.indices(), "index " + index + ", expected 0 to " + (size - 1));
        }
        flat = flat * size + index;
      }
      System.arraycopy(elements, i * width, all, (int) flat * width, width);
    }
    Tensor dense = Tensor.fromSegment(MemorySegment.ofArray(all), values.dtype(), shape);
    return new OnnxValue.Dense(TensorAccess.share(dense), type);
  }

  private FormatException error(TensorProto proto, String problem) {
    return new FormatException(
        source,
        "tensor '" + proto.name() + "' at byte " + proto.position() + " has " + problem,
        "the file is corrupt, or of a newer kind");
  }
}
