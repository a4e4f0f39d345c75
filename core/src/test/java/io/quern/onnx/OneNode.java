package io.quern.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.quern.DType;
import io.quern.Tensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** A model of one node. It runs as a plan, if it can, and node by node, which must agree. */
final class OneNode {
  private final ProtoWriter node;
  private final Map<String, OnnxValue> inputs = new LinkedHashMap<>();
  private final List<String> slots = new ArrayList<>();
  private final long opset;
  private int outputs = 1;
  private @Nullable OnnxModel model;

  OneNode(String op, long opset) {
    this.node = new ProtoWriter().string(3, "node").string(4, op);
    this.opset = opset;
  }

  OneNode in(Tensor tensor) {
    return in(OnnxValue.of(tensor));
  }

  OneNode in(OnnxValue value) {
    String slot = "in" + slots.size();
    slots.add(slot);
    inputs.put(slot, value);
    return this;
  }

  /** Leaves an input out. */
  OneNode none() {
    slots.add("");
    return this;
  }

  OneNode integer(String name, long value) {
    node.message(5, Models.attribute(name, value));
    return this;
  }

  OneNode number(String name, float value) {
    node.message(5, new ProtoWriter().string(1, name).float32(2, value).varint(20, 1));
    return this;
  }

  OneNode text(String name, String value) {
    node.message(5, new ProtoWriter().string(1, name).string(4, value).varint(20, 3));
    return this;
  }

  OneNode graph(String name, ProtoWriter graph) {
    node.message(5, new ProtoWriter().string(1, name).message(6, graph).varint(20, 5));
    return this;
  }

  OneNode domain(String domain) {
    node.string(7, domain);
    return this;
  }

  OneNode outputs(int count) {
    outputs = count;
    return this;
  }

  private OnnxModel model() {
    if (model != null) {
      return model;
    }
    Models models = new Models().opset(opset);
    inputs.forEach(
        (slot, value) -> {
          ElementType type =
              value instanceof OnnxValue.Dense(Tensor _, ElementType of) ? of : ElementType.STRING;
          long[] dims =
              value instanceof OnnxValue.Strings strings
                  ? strings.shape().toArray()
                  : ((OnnxValue.Dense) value).tensor().shape().toArray();
          models.input(Models.value(slot, type.code(), dims));
        });
    // A constant that callers may replace; runs that do have no plan.
    models.constant(Models.longs("spare", 0)).input(Models.value("spare", 7, 1));
    slots.forEach(slot -> node.string(1, slot));
    for (int i = 0; i < outputs; i++) {
      node.string(2, "out" + i);
      models.output(new ProtoWriter().string(1, "out" + i));
    }
    model = models.add(node).model();
    return model;
  }

  /** An output as plans give it, and as it is node by node. */
  List<OnnxValue> both(int output) {
    Map<String, OnnxValue> more = new LinkedHashMap<>(inputs);
    more.put("spare", OnnxValue.of(Tensor.of(new long[] {1})));
    return List.of(
        model().runValues(inputs).get("out" + output), model().runValues(more).get("out" + output));
  }

  /** Whether it ran as a plan. */
  boolean hasPlan() {
    return model().nodeByNode().isEmpty();
  }

  private <T> void isBothTimes(Function<Tensor, T> reading, T expected) {
    for (OnnxValue found : both(0)) {
      assertThat(reading.apply(((OnnxValue.Dense) found).tensor())).isEqualTo(expected);
    }
  }

  /** Checks the first output, which is exact. */
  void gives(long... expected) {
    isBothTimes(Tensor::toLongArray, expected);
  }

  /** Checks the first output, which is exact. */
  void gives(double... expected) {
    isBothTimes(Tensor::toDoubleArray, expected);
  }

  /** Checks the first output, with its element type. */
  void gives(ElementType type, double... expected) {
    for (OnnxValue found : both(0)) {
      assertThat(((OnnxValue.Dense) found).type()).isEqualTo(type);
    }
    gives(expected);
  }

  /** Checks an output, of which each element may differ by a share of the expected one. */
  void isNear(int output, DType dtype, double share, double... expected) {
    for (OnnxValue value : both(output)) {
      Tensor tensor = ((OnnxValue.Dense) value).tensor();
      assertThat(tensor.dtype()).isEqualTo(dtype);
      double[] found = tensor.toDoubleArray();
      assertThat(found).hasSameSizeAs(expected);
      for (int i = 0; i < found.length; i++) {
        assertThat(found[i])
            .as("element %d of output %d", i, output)
            .isCloseTo(expected[i], within(share * Math.abs(expected[i])));
      }
    }
  }
}
