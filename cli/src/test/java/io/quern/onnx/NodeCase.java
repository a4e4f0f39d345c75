package io.quern.onnx;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.DType;
import io.quern.Rng;
import io.quern.Tensor;
import io.quern.TensorScope;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;

/** A model of one node, which must give what ONNX Runtime gives. */
final class NodeCase {
  /** Room for sums of up to 64 products, and functions of them, in another order. */
  private static final double TOLERANCE = 0x1p-17;

  /** Eight halves of a unit in the last place of 1. */
  private static final double ROUNDINGS = 8 * 0x1p-24;

  private final String name;

  /** A case has the same inputs whichever cases there are before it. */
  private final Rng rng;

  private final ProtoWriter node;
  private final Map<String, Tensor> inputs = new LinkedHashMap<>();
  private final List<String> slots = new ArrayList<>();
  private int outputs = 1;
  private long opset = 17;
  private long mlOpset = 3;
  private boolean probits;
  private boolean bytes;

  NodeCase(String domain, String op, String remark) {
    this.name = op + " " + remark;
    this.rng = Rng.of(name.hashCode());
    this.node = new ProtoWriter().string(3, "node").string(4, op).string(7, domain);
  }

  NodeCase in(Tensor tensor) {
    String slot = "in" + slots.size();
    slots.add(slot);
    inputs.put(slot, tensor);
    return this;
  }

  NodeCase in(long... shape) {
    return in(rng.normal(shape));
  }

  NodeCase none() {
    slots.add("");
    return this;
  }

  NodeCase integer(String name, long value) {
    node.message(5, new ProtoWriter().string(1, name).varint(3, value).varint(20, 2));
    return this;
  }

  NodeCase number(String name, float value) {
    node.message(5, new ProtoWriter().string(1, name).float32(2, value).varint(20, 1));
    return this;
  }

  NodeCase text(String name, String value) {
    node.message(5, new ProtoWriter().string(1, name).string(4, value).varint(20, 3));
    return this;
  }

  NodeCase numbers(String name, double... values) {
    ProtoWriter attribute = new ProtoWriter().string(1, name).varint(20, 6);
    for (double value : values) {
      attribute.float32(7, (float) value);
    }
    node.message(5, attribute);
    return this;
  }

  NodeCase integers(String name, long... values) {
    ProtoWriter attribute = new ProtoWriter().string(1, name).varint(20, 7);
    for (long value : values) {
      attribute.varint(8, value);
    }
    node.message(5, attribute);
    return this;
  }

  NodeCase texts(String name, String... values) {
    ProtoWriter attribute = new ProtoWriter().string(1, name).varint(20, 8);
    for (String value : values) {
      attribute.string(9, value);
    }
    node.message(5, attribute);
    return this;
  }

  /** An attribute that is a vector. */
  NodeCase tensor(String name, Tensor vector) {
    ProtoWriter tensor =
        Models.tensor(name, code(vector.dtype()), vector.size()).bytes(9, vector.toByteArray());
    node.message(5, Models.attribute(name, tensor));
    return this;
  }

  DynamicTest test() {
    return DynamicTest.dynamicTest(
        name,
        () -> {
          try (TensorScope _ = TensorScope.open()) {
            run();
          }
        });
  }

  /**
   * The outputs may be probits z, which come from {@code log(4 p (1 - p))}, about {@code -2 z^2 /
   * pi} near zero: a rounding there is divided by z, and both engines have some of them.
   */
  NodeCase probits() {
    probits = true;
    return this;
  }

  /**
   * The outputs are bytes: numbers near the middle of two of them are rounded to either, because
   * engines compute them with other roundings in F32.
   */
  NodeCase bytes() {
    bytes = true;
    return this;
  }

  NodeCase outputs(int count) {
    outputs = count;
    return this;
  }

  /** The file of the model. */
  byte[] model() {
    Models models = new Models().opset(opset).mlOpset(mlOpset);
    inputs.forEach(
        (slot, tensor) ->
            models.input(Models.value(slot, code(tensor.dtype()), tensor.shape().toArray())));
    slots.forEach(slot -> node.string(1, slot));
    for (int i = 0; i < outputs; i++) {
      node.string(2, "out" + i);
      models.output(new ProtoWriter().string(1, "out" + i));
    }
    return models.add(node).bytes();
  }

  private void run() throws Exception {
    byte[] model = model();
    try (OnnxRuntime runtime = new OnnxRuntime(model)) {
      Map<String, double[]> expected = runtime.run(inputs);
      Map<String, Tensor> found = Models.parse(model).run(inputs);
      expected.forEach((output, values) -> compare(output, values, found.get(output)));
    }
  }

  NodeCase mlOpset(long version) {
    mlOpset = version;
    return this;
  }

  NodeCase opset(long version) {
    opset = version;
    return this;
  }

  private static int code(DType dtype) {
    return Stream.of(ElementType.values())
        .filter(type -> type.dtype() == dtype)
        .findFirst()
        .orElseThrow()
        .code();
  }

  private void compare(String output, double[] expected, Tensor tensor) {
    double[] found = tensor.toDoubleArray();
    assertThat(found).as(output).hasSameSizeAs(expected);
    double largest = 1;
    for (double value : expected) {
      largest = Math.max(largest, Math.abs(value));
    }
    for (int i = 0; i < expected.length; i++) {
      assertThat(Math.abs(found[i] - expected[i]))
          .as("%s element %d: expected %s, found %s", output, i, expected[i], found[i])
          .isLessThanOrEqualTo(
              bytes ? 1 : TOLERANCE * largest + (probits ? ROUNDINGS / Math.abs(expected[i]) : 0));
    }
  }
}
