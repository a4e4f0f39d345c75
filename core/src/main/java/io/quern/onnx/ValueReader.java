package io.quern.onnx;

import io.quern.onnx.ModelProto.TensorProto;
import io.quern.onnx.ModelProto.TypeProto;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Reads values that lie alone in files: TensorProto, SequenceProto and OptionalProto. */
final class ValueReader {
  private static final int TENSOR = 1;
  private static final int SEQUENCE = 3;

  private final TensorReader tensors;

  private ValueReader(Path source) {
    this.tensors =
        new TensorReader(source, new ExternalData(source, source.toAbsolutePath().getParent()));
  }

  /** The value in a file, which is of {@code type}. */
  static OnnxValue read(Path file, @Nullable TypeProto type) {
    ValueReader reader = new ValueReader(file);
    ProtoReader bytes = new ProtoReader(file, ExternalData.map(file));
    return switch (type) {
      case TypeProto.Sequence _ -> reader.sequence(bytes);
      case TypeProto.Optional _ -> reader.optional(bytes);
      case TypeProto.Dictionary _, TypeProto.Other _ ->
          throw new OnnxException(file + ": values of this kind cannot be read from files");
      case TypeProto.Tensor(int declared, var _) -> reader.tensor(bytes, declared);
      case null -> reader.tensor(bytes, 0);
    };
  }

  /** Files of old conformance cases tell the bits of bfloat16 as uint16. */
  private OnnxValue tensor(ProtoReader in, int declared) {
    TensorProto proto = ModelReader.tensor(in);
    boolean bits =
        declared == ElementType.BFLOAT16.code() && proto.type() == ElementType.UINT16.code();
    return tensors.read(bits ? proto.withType(declared) : proto);
  }

  private OnnxValue sequence(ProtoReader in) {
    List<OnnxValue> elements = new ArrayList<>();
    while (in.next()) {
      switch (in.field()) {
        case 3 -> elements.add(tensor(in.message(), 0));
        case 5 -> elements.add(sequence(in.message()));
        case 7 -> elements.add(optional(in.message()));
        default -> in.skip();
      }
    }
    return new OnnxValue.Sequence(elements);
  }

  private OnnxValue optional(ProtoReader in) {
    int kind = 0;
    OnnxValue element = null;
    while (in.next()) {
      switch (in.field()) {
        case 2 -> kind = in.int32();
        case 3 -> element = tensor(in.message(), 0);
        case 5 -> element = sequence(in.message());
        case 7 -> element = optional(in.message());
        default -> in.skip();
      }
    }
    return new OnnxValue.Optional(
        element == null && kind == SEQUENCE
            ? new OnnxValue.Sequence(List.of())
            : kind == TENSOR || kind == SEQUENCE ? element : kind == 0 ? null : element);
  }
}
