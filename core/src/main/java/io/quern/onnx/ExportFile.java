package io.quern.onnx;

import io.quern.DType;
import io.quern.Tensor;
import io.quern.io.Elements;
import io.quern.onnx.ExportGraph.Constant;
import io.quern.onnx.ExportGraph.Node;
import io.quern.onnx.ExportGraph.Port;
import io.quern.onnx.ExportGraph.Sizes;
import io.quern.onnx.ExportGraph.Weight;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.WritableByteChannel;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A graph as messages of onnx.proto, and a file for the elements that are not in them. */
final class ExportFile {
  /** Smaller constants are in the model in any case, for those who only look at shapes. */
  private static final long LEAST_EXTERNAL = 1024;

  /** So that elements can be mapped where they are. */
  private static final long PAGE = 4096;

  private static final int IR_VERSION = 10;

  private final @Nullable String dataName;
  private final List<Tensor> external = new ArrayList<>();
  private long dataBytes;
  private final ProtoWriter model;

  /** The messages; with {@code dataName}, large elements are left to a file of that name. */
  ExportFile(ExportGraph graph, @Nullable String dataName) {
    this.dataName = dataName;
    ProtoWriter opset = new ProtoWriter().string(1, "").varint(2, OnnxExport.OPSET);
    this.model =
        new ProtoWriter()
            .varint(1, IR_VERSION)
            .string(2, "quern")
            .message(7, graph(graph))
            .message(8, opset);
  }

  /** The model. */
  ProtoWriter model() {
    return model;
  }

  /** Writes the elements that are not in the model. */
  void writeData(WritableByteChannel channel) throws IOException {
    for (Tensor tensor : external) {
      Elements.write(channel, tensor);
      ByteBuffer rest = ByteBuffer.allocate((int) (aligned(tensor) - tensor.spec().byteSize()));
      while (rest.hasRemaining()) {
        channel.write(rest);
      }
    }
  }

  private static long aligned(Tensor tensor) {
    return (tensor.spec().byteSize() + PAGE - 1) / PAGE * PAGE;
  }

  private ProtoWriter graph(ExportGraph graph) {
    ProtoWriter message = new ProtoWriter();
    graph.nodes().forEach(node -> message.message(1, node(node)));
    message.string(2, "graph");
    graph.constants().forEach((name, constant) -> message.message(5, tensor(name, constant)));
    graph.inputs().forEach(input -> message.message(11, port(input)));
    graph.outputs().forEach(output -> message.message(12, port(output)));
    return message;
  }

  private static ProtoWriter node(Node node) {
    ProtoWriter message = new ProtoWriter();
    node.inputs().forEach(input -> message.string(1, input));
    node.outputs().forEach(output -> message.string(2, output));
    message.string(3, node.outputs().getFirst()).string(4, node.op());
    node.attributes().forEach((name, value) -> message.message(5, attribute(name, value)));
    return message;
  }

  private static ProtoWriter attribute(String name, Object value) {
    ProtoWriter message = new ProtoWriter().string(1, name);
    switch (value) {
      case Double number -> message.float32(2, number.floatValue()).varint(20, 1);
      case Long number -> message.varint(3, number).varint(20, 2);
      case List<?> numbers -> {
        numbers.forEach(number -> message.varint(8, (Long) number));
        message.varint(20, 7);
      }
      default -> throw new IllegalArgumentException("onnx export: attribute " + value);
    }
    return message;
  }

  private ProtoWriter tensor(String name, Constant constant) {
    return switch (constant) {
      case Sizes(List<Long> values) -> {
        ByteBuffer raw =
            ByteBuffer.allocate(Long.BYTES * values.size()).order(ByteOrder.LITTLE_ENDIAN);
        values.forEach(raw::putLong);
        yield tensor(name, DType.I64, values.size()).bytes(9, raw.array());
      }
      case Weight(Tensor tensor) -> {
        ProtoWriter message = tensor(name, tensor.dtype(), tensor.shape().toArray());
        long bytes = tensor.spec().byteSize();
        if (dataName == null || bytes < LEAST_EXTERNAL) {
          yield message.content(9, bytes, channel -> Elements.write(channel, tensor));
        }
        message.message(13, entry("location", dataName));
        message.message(13, entry("offset", Long.toString(dataBytes)));
        message.message(13, entry("length", Long.toString(bytes)));
        external.add(tensor);
        dataBytes += aligned(tensor);
        yield message.varint(14, 1);
      }
    };
  }

  private static ProtoWriter entry(String key, String value) {
    return new ProtoWriter().string(1, key).string(2, value);
  }

  private static ProtoWriter tensor(String name, DType dtype, long... dims) {
    ProtoWriter message = new ProtoWriter();
    for (long dim : dims) {
      message.varint(1, dim);
    }
    return message.varint(2, ElementType.of(dtype).code()).string(8, name);
  }

  private static ProtoWriter port(Port port) {
    ProtoWriter shape = new ProtoWriter();
    for (String dim : port.dims()) {
      boolean isNumber = Character.isDigit(dim.charAt(0)) && !dim.contains("*");
      ProtoWriter size = new ProtoWriter();
      shape.message(1, isNumber ? size.varint(1, Long.parseLong(dim)) : size.string(2, dim));
    }
    ProtoWriter tensor =
        new ProtoWriter().varint(1, ElementType.of(port.dtype()).code()).message(2, shape);
    return new ProtoWriter()
        .string(1, port.name())
        .message(2, new ProtoWriter().message(1, tensor));
  }
}
