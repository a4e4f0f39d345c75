package io.quern.jmh.peers;

import io.quern.jmh.ConvLayer;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.SplittableRandom;

/** Writes the ONNX model of one convolution with bias, by the field numbers of onnx.proto3. */
final class OnnxConvModel {
  private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

  private OnnxConvModel() {}

  static byte[] of(ConvLayer layer) {
    OnnxConvModel node = new OnnxConvModel();
    node.text(1, "x").text(1, "w").text(1, "b").text(2, "y").text(4, "Conv");
    node.attribute("kernel_shape", layer.kernel(), layer.kernel());
    node.attribute("strides", layer.stride(), layer.stride());
    int p = layer.padding();
    node.attribute("pads", p, p, p, p);
    OnnxConvModel graph = new OnnxConvModel();
    graph.message(1, node).text(2, "conv");
    graph.message(5, tensor("w", layer.out(), layer.channels(), layer.kernel(), layer.kernel()));
    graph.message(5, tensor("b", layer.out()));
    graph.message(11, value("x", 1, layer.channels(), layer.size(), layer.size()));
    graph.message(12, value("y", 1, layer.out(), layer.outputSize(), layer.outputSize()));
    OnnxConvModel model = new OnnxConvModel();
    model.number(1, 8).message(7, graph).message(8, new OnnxConvModel().number(2, 13));
    return model.bytes.toByteArray();
  }

  private static OnnxConvModel tensor(String name, int... dims) {
    OnnxConvModel tensor = new OnnxConvModel();
    int size = 1;
    for (int dim : dims) {
      tensor.number(1, dim);
      size *= dim;
    }
    ByteBuffer raw = ByteBuffer.allocate(4 * size).order(ByteOrder.LITTLE_ENDIAN);
    SplittableRandom random = new SplittableRandom(1);
    while (raw.hasRemaining()) {
      raw.putFloat((float) random.nextDouble(-1, 1));
    }
    return tensor.number(2, 1).text(8, name).blob(9, raw.array());
  }

  private static OnnxConvModel value(String name, int... dims) {
    OnnxConvModel shape = new OnnxConvModel();
    for (int dim : dims) {
      shape.message(1, new OnnxConvModel().number(1, dim));
    }
    OnnxConvModel tensor = new OnnxConvModel().number(1, 1).message(2, shape);
    return new OnnxConvModel().text(1, name).message(2, new OnnxConvModel().message(1, tensor));
  }

  private void attribute(String name, int... values) {
    OnnxConvModel attribute = new OnnxConvModel().text(1, name);
    for (int value : values) {
      attribute.number(8, value);
    }
    message(5, attribute.number(20, 7));
  }

  private OnnxConvModel number(int field, long value) {
    varint((long) field << 3);
    varint(value);
    return this;
  }

  private OnnxConvModel text(int field, String value) {
    return blob(field, value.getBytes(StandardCharsets.UTF_8));
  }

  private OnnxConvModel message(int field, OnnxConvModel value) {
    return blob(field, value.bytes.toByteArray());
  }

  private OnnxConvModel blob(int field, byte[] value) {
    varint((long) field << 3 | 2);
    varint(value.length);
    bytes.writeBytes(value);
    return this;
  }

  private void varint(long value) {
    long rest = value;
    while (rest > 127) {
      bytes.write((int) (rest & 127 | 128));
      rest >>>= 7;
    }
    bytes.write((int) rest);
  }
}
