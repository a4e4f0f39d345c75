package io.quern.onnx;

import io.quern.onnx.ModelProto.Attribute;
import io.quern.onnx.ModelProto.Dimension;
import io.quern.onnx.ModelProto.Graph;
import io.quern.onnx.ModelProto.Node;
import io.quern.onnx.ModelProto.TensorProto;
import io.quern.onnx.ModelProto.TypeProto;
import io.quern.onnx.ModelProto.ValueInfo;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;

/**
 * Writes what {@link ModelReader} reads, but for functions and sparse tensors, as messages of
 * onnx.proto; elements in other files become part of it. The numbers are those of the fields.
 */
final class ModelWriter {
  /** Bytes that are handed to a channel at a time. */
  private static final long CHUNK = 1 << 24;

  private final TensorReader constants;

  private ModelWriter(TensorReader constants) {
    this.constants = constants;
  }

  /** The message of a model whose constants {@code constants} reads. */
  static ProtoWriter write(ModelProto model, TensorReader constants) {
    ProtoWriter message =
        new ProtoWriter()
            .varint(1, model.irVersion())
            .string(2, "quern")
            .message(7, new ModelWriter(constants).graph(model.graph()));
    model
        .opsets()
        .forEach(
            (domain, version) ->
                message.message(8, new ProtoWriter().string(1, domain).varint(2, version)));
    return message;
  }

  private ProtoWriter graph(Graph graph) {
    ProtoWriter message = new ProtoWriter();
    graph.nodes().forEach(node -> message.message(1, node(node)));
    message.string(2, graph.name().isEmpty() ? "graph" : graph.name());
    graph.initializers().values().forEach(tensor -> message.message(5, tensor(tensor)));
    graph.inputs().forEach(input -> message.message(11, info(input)));
    graph.outputs().forEach(output -> message.message(12, info(output)));
    return message;
  }

  private ProtoWriter node(Node node) {
    ProtoWriter message = new ProtoWriter();
    node.inputs().forEach(input -> message.string(1, input));
    node.outputs().forEach(output -> message.string(2, output));
    message.string(3, node.name()).string(4, node.op()).string(7, node.domain());
    node.attributes().values().forEach(attribute -> message.message(5, attribute(attribute)));
    return message;
  }

  private ProtoWriter attribute(Attribute attribute) {
    ProtoWriter message = new ProtoWriter().string(1, attribute.name());
    switch (attribute.kind()) {
      case 1 -> message.float32(2, attribute.number());
      case 2 -> message.varint(3, attribute.integer());
      default -> {}
    }
    if (attribute.text() != null) {
      message.bytes(4, attribute.text().toArray(ValueLayout.JAVA_BYTE));
    }
    if (attribute.tensor() != null) {
      message.message(5, tensor(attribute.tensor()));
    }
    if (attribute.graph() != null) {
      message.message(6, graph(attribute.graph()));
    }
    for (float number : attribute.numbers()) {
      message.float32(7, number);
    }
    for (long integer : attribute.integers()) {
      message.varint(8, integer);
    }
    for (MemorySegment text : attribute.texts()) {
      message.bytes(9, text.toArray(ValueLayout.JAVA_BYTE));
    }
    attribute.tensors().forEach(tensor -> message.message(10, tensor(tensor)));
    attribute.graphs().forEach(graph -> message.message(11, graph(graph)));
    return message.varint(20, attribute.kind());
  }

  private ProtoWriter tensor(TensorProto tensor) {
    ProtoWriter message = new ProtoWriter();
    for (long dim : tensor.dims()) {
      message.varint(1, dim);
    }
    message.varint(2, tensor.type()).string(8, tensor.name());
    if (ElementType.of(tensor.type()) == ElementType.STRING) {
      tensor.strings().forEach(text -> message.bytes(6, text.toArray(ValueLayout.JAVA_BYTE)));
      return message;
    }
    MemorySegment bytes = constants.bytes(tensor);
    return message.content(9, bytes.byteSize(), channel -> writeTo(channel, bytes));
  }

  private static void writeTo(WritableByteChannel channel, MemorySegment bytes) throws IOException {
    for (long at = 0; at < bytes.byteSize(); at += CHUNK) {
      ByteBuffer rest = bytes.asSlice(at, Math.min(CHUNK, bytes.byteSize() - at)).asByteBuffer();
      while (rest.hasRemaining()) {
        channel.write(rest);
      }
    }
  }

  private static ProtoWriter info(ValueInfo info) {
    ProtoWriter message = new ProtoWriter().string(1, info.name());
    return info.type() == null ? message : message.message(2, type(info.type()));
  }

  private static ProtoWriter type(TypeProto type) {
    if (!(type instanceof TypeProto.Tensor(int elementType, var dims))) {
      throw new OnnxException("onnx: only tensors can be written as inputs and outputs");
    }
    ProtoWriter tensor = new ProtoWriter().varint(1, elementType);
    if (dims != null) {
      ProtoWriter shape = new ProtoWriter();
      for (Dimension dim : dims) {
        ProtoWriter size = new ProtoWriter();
        shape.message(
            1, dim.size() < 0 ? size.string(2, dim.symbol()) : size.varint(1, dim.size()));
      }
      tensor.message(2, shape);
    }
    return new ProtoWriter().message(1, tensor);
  }
}
