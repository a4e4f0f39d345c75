package io.quern.onnx;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Small models for tests. */
public final class Models {
  private final ProtoWriter graph = new ProtoWriter().string(2, "test");
  private long opset = 17;
  private long mlOpset = 3;

  public static ProtoWriter node(String op, String inputs, String outputs) {
    ProtoWriter node = new ProtoWriter();
    for (String each : inputs.split(" ", -1)) {
      node.string(1, each);
    }
    for (String each : outputs.split(" ", -1)) {
      node.string(2, each);
    }
    return node.string(3, op.toLowerCase(java.util.Locale.ROOT) + "_node").string(4, op);
  }

  /** A node with an attribute that is a whole number. */
  public static ProtoWriter node(
      String op, String inputs, String outputs, String attribute, long value) {
    return node(op, inputs, outputs).message(5, attribute(attribute, value));
  }

  /** An attribute that is a whole number. */
  public static ProtoWriter attribute(String name, long value) {
    return new ProtoWriter().string(1, name).varint(3, value).varint(20, 2);
  }

  /** An attribute that lists whole numbers. */
  public static ProtoWriter attribute(String name, long... values) {
    ProtoWriter attribute = new ProtoWriter().string(1, name).varint(20, 7);
    for (long value : values) {
      attribute.varint(8, value);
    }
    return attribute;
  }

  /** An attribute that is a tensor. */
  public static ProtoWriter attribute(String name, ProtoWriter tensor) {
    return new ProtoWriter().string(1, name).message(5, tensor).varint(20, 4);
  }

  public static ProtoWriter floats(String name, float[] values, long... dims) {
    ByteBuffer raw = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    for (float value : values) {
      raw.putFloat(value);
    }
    return tensor(name, 1, dims).bytes(9, raw.array());
  }

  public static ProtoWriter longs(String name, long... values) {
    ByteBuffer raw = ByteBuffer.allocate(8 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    for (long value : values) {
      raw.putLong(value);
    }
    return tensor(name, 7, values.length).bytes(9, raw.array());
  }

  public static ProtoWriter tensor(String name, int type, long... dims) {
    ProtoWriter tensor = new ProtoWriter();
    for (long dim : dims) {
      tensor.varint(1, dim);
    }
    return tensor.varint(2, type).string(8, name);
  }

  /** A symbolic dimension is 0 here. */
  public static ProtoWriter value(String name, int type, long... dims) {
    ProtoWriter shape = new ProtoWriter();
    for (long dim : dims) {
      ProtoWriter size = new ProtoWriter();
      shape.message(1, dim == 0 ? size.string(2, "n") : size.varint(1, dim));
    }
    ProtoWriter tensor = new ProtoWriter().varint(1, type).message(2, shape);
    return new ProtoWriter().string(1, name).message(2, new ProtoWriter().message(1, tensor));
  }

  /** A value whose first dimension is declared as 0. */
  public static ProtoWriter emptyValue(String name, int type, long rest) {
    ProtoWriter shape =
        new ProtoWriter()
            .message(1, new ProtoWriter().varint(1, 0))
            .message(1, new ProtoWriter().varint(1, rest));
    ProtoWriter tensor = new ProtoWriter().varint(1, type).message(2, shape);
    return new ProtoWriter().string(1, name).message(2, new ProtoWriter().message(1, tensor));
  }

  public Models opset(long version) {
    opset = version;
    return this;
  }

  /** The version of the domain ai.onnx.ml. */
  public Models mlOpset(long version) {
    mlOpset = version;
    return this;
  }

  public Models add(ProtoWriter node) {
    graph.message(1, node);
    return this;
  }

  public Models constant(ProtoWriter tensor) {
    graph.message(5, tensor);
    return this;
  }

  public Models input(ProtoWriter value) {
    graph.message(11, value);
    return this;
  }

  public Models output(ProtoWriter value) {
    graph.message(12, value);
    return this;
  }

  public byte[] bytes() {
    ProtoWriter model = new ProtoWriter().varint(1, 8).message(7, graph);
    model.message(8, domain("", opset));
    model.message(8, domain("com.microsoft", 1));
    model.message(8, domain("ai.onnx.preview", 1));
    return model.message(8, domain("ai.onnx.ml", mlOpset)).toBytes();
  }

  private static ProtoWriter domain(String name, long version) {
    return new ProtoWriter().string(1, name).varint(2, version);
  }

  public OnnxModel model() {
    return parse(bytes());
  }

  public static OnnxModel parse(byte[] bytes) {
    MemorySegment memory = Arena.ofAuto().allocate(bytes.length);
    MemorySegment.copy(bytes, 0, memory, ValueLayout.JAVA_BYTE, 0, bytes.length);
    return OnnxModel.parse("test.onnx", memory);
  }
}
