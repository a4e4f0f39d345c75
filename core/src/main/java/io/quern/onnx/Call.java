package io.quern.onnx;

import io.quern.DType;
import io.quern.Device;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.TensorAccess;
import io.quern.graph.Trace;
import io.quern.onnx.ModelProto.Attribute;
import io.quern.onnx.ModelProto.Graph;
import io.quern.onnx.ModelProto.Node;
import io.quern.op.Fill;
import io.quern.op.TensorSpec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** One node that is being built: its inputs, its attributes, and complaints about them. */
final class Call {
  private final Node node;
  private final long version;
  private final @Nullable OnnxValue[] inputs;
  private final Map<String, Attribute> attributes;
  private final Interpreter.Scope scope;

  Call(
      Node node,
      long version,
      @Nullable OnnxValue[] inputs,
      Map<String, Attribute> attributes,
      Interpreter.Scope scope) {
    this.node = node;
    this.version = version;
    this.inputs = inputs;
    this.attributes = attributes;
    this.scope = scope;
  }

  /** Version of the node's domain. */
  long version() {
    return version;
  }

  /** How messages call this node. */
  String label() {
    return node.label();
  }

  /** A complaint about this node. */
  OnnxException error(String format, Object... arguments) {
    return new OnnxException(node.label() + ": " + String.format(Locale.ROOT, format, arguments));
  }

  // ---- inputs and outputs -----------------------------------------------------------------

  /** Number of inputs, missing ones included. */
  int count() {
    return inputs.length;
  }

  /** Whether an input is there. */
  boolean has(int index) {
    return index < inputs.length && inputs[index] != null;
  }

  /** Number of outputs. */
  int outputs() {
    return node.outputs().size();
  }

  /** Whether somebody may read an output. */
  boolean wants(int output) {
    return output < outputs() && !node.outputs().get(output).isEmpty();
  }

  /** An input of any kind. */
  OnnxValue value(int index) {
    OnnxValue value = index < inputs.length ? inputs[index] : null;
    if (value == null) {
      throw error("input %d is missing", index);
    }
    return value;
  }

  /** An input that is a tensor. */
  Tensor in(int index) {
    return dense(index).tensor();
  }

  /** An input that is a tensor, with its element type. */
  OnnxValue.Dense dense(int index) {
    OnnxValue value = value(index);
    if (value instanceof OnnxValue.Optional(OnnxValue element) && element != null) {
      value = element;
    }
    if (value instanceof OnnxValue.Dense dense) {
      return dense;
    }
    throw error("input %d must be a tensor of numbers, found %s", index, value.kind());
  }

  /** An input that is text. */
  OnnxValue.Strings strings(int index) {
    OnnxValue value = value(index);
    if (value instanceof OnnxValue.Strings strings) {
      return strings;
    }
    throw error("input %d must be a tensor of strings, found %s", index, value.kind());
  }

  /** All inputs as tensors. */
  Tensor[] tensors() {
    Tensor[] tensors = new Tensor[inputs.length];
    for (int i = 0; i < tensors.length; i++) {
      tensors[i] = in(i);
    }
    return tensors;
  }

  /** An input whose elements are needed now. */
  Tensor known(int index) {
    Tensor tensor = in(index);
    if (TensorAccess.isTraced(tensor)) {
      throw new NeedsValue(
          node.label() + " needs the elements of '" + node.inputs().get(index) + "'");
    }
    return tensor;
  }

  /** Whether an input has its elements. */
  boolean isKnown(int index) {
    return isKnown(value(index));
  }

  /** An input that is a tensor; one known number is recorded as such, for graph passes to see. */
  Tensor operand(int index) {
    Tensor tensor = in(index);
    boolean number = Trace.current() != null && tensor.size() == 1 && tensor.dtype().isFloat();
    return number && isKnown(index)
        ? full(doubles(index)[0], tensor.dtype(), tensor.shape())
        : tensor;
  }

  /** The elements of an input, which are needed now. */
  long[] longs(int index) {
    Tensor tensor = known(index);
    return Trace.outside(tensor::toLongArray);
  }

  /** The elements of an input, which are needed now. */
  double[] doubles(int index) {
    Tensor tensor = known(index);
    return Trace.outside(tensor::toDoubleArray);
  }

  /** The elements of an input, or {@code fallback} when it is missing. */
  long @Nullable [] longsOr(int index, long @Nullable [] fallback) {
    return has(index) ? longs(index) : fallback;
  }

  /** The only element of an input, or {@code fallback} when it is missing. */
  double scalar(int index, double fallback) {
    return has(index) ? doubles(index)[0] : fallback;
  }

  /** An axis that counts from the end when it is negative, from the front. */
  int axis(long axis, int rank) {
    if (axis < -rank || axis >= rank) {
      throw error("axis %d is out of range for rank %d", axis, rank);
    }
    return (int) (axis < 0 ? axis + rank : axis);
  }

  /** Axes that count from the end when they are negative, from the front. */
  int[] axes(long[] axes, int rank) {
    int[] resolved = new int[axes.length];
    for (int i = 0; i < axes.length; i++) {
      resolved[i] = axis(axes[i], rank);
    }
    return resolved;
  }

  // ---- attributes -------------------------------------------------------------------------

  /** Whether an attribute is there. */
  boolean hasAttribute(String name) {
    return attributes.containsKey(name);
  }

  private Attribute required(String name) {
    Attribute attribute = attributes.get(name);
    if (attribute == null) {
      throw error("attribute '%s' is missing", name);
    }
    return attribute;
  }

  /** An integer. */
  long integer(String name) {
    return required(name).integer();
  }

  /** An integer. */
  long integer(String name, long fallback) {
    Attribute attribute = attributes.get(name);
    return attribute == null ? fallback : attribute.integer();
  }

  /** A truth value. */
  boolean flag(String name, boolean fallback) {
    return integer(name, fallback ? 1 : 0) != 0;
  }

  /** A number. */
  double number(String name, double fallback) {
    Attribute attribute = attributes.get(name);
    return attribute == null ? fallback : attribute.number();
  }

  /** Text. */
  String text(String name, String fallback) {
    Attribute attribute = attributes.get(name);
    return attribute == null || attribute.text() == null
        ? fallback
        : TensorReader.text(attribute.text());
  }

  /** Integers, or null. */
  long @Nullable [] integers(String name) {
    Attribute attribute = attributes.get(name);
    return attribute == null ? null : attribute.integers();
  }

  /** Integers. */
  long[] integers(String name, long[] fallback) {
    return Objects.requireNonNullElse(integers(name), fallback);
  }

  /** Integers that must be there. */
  long[] integersOf(String name) {
    return required(name).integers();
  }

  /** Numbers, or null. */
  float @Nullable [] numbers(String name) {
    Attribute attribute = attributes.get(name);
    return attribute == null ? null : attribute.numbers();
  }

  /** The same numbers as doubles; none for null. */
  static double[] widened(float @Nullable [] numbers) {
    double[] wide = new double[numbers == null ? 0 : numbers.length];
    for (int i = 0; i < wide.length; i++) {
      wide[i] = numbers[i];
    }
    return wide;
  }

  /** Texts. */
  List<String> texts(String name) {
    Attribute attribute = attributes.get(name);
    return attribute == null ? List.of() : TensorReader.texts(attribute.texts());
  }

  /** What random numbers begin with: the attribute, or something new. */
  long seed() {
    Attribute attribute = attributes.get("seed");
    return attribute == null ? System.nanoTime() : Float.floatToIntBits(attribute.number());
  }

  /** A constant, or null. */
  @Nullable OnnxValue constant(String name) {
    Attribute attribute = attributes.get(name);
    if (attribute == null) {
      return null;
    }
    if (attribute.sparse() != null) {
      return scope.interpreter().constants().read(attribute.sparse());
    }
    return attribute.tensor() == null ? null : scope.interpreter().constant(attribute.tensor());
  }

  /** A graph. */
  Graph graph(String name) {
    Graph graph = required(name).graph();
    if (graph == null) {
      throw error("attribute '%s' must be a graph", name);
    }
    return graph;
  }

  /** Runs a graph of this node, which sees the values around it. */
  OnnxValue[] run(Graph graph, OnnxValue... arguments) {
    return scope.interpreter().run(graph, scope, arguments);
  }

  /** The element type with a number of onnx.proto. */
  ElementType elementType(long code) {
    ElementType type = ElementType.of(code);
    if (type == null) {
      throw error("element type %d is not known", code);
    }
    return type;
  }

  /** The dtype for a number of onnx.proto. */
  DType dtype(long code) {
    DType dtype = elementType(code).dtype();
    if (dtype == null) {
      throw error("element type %s is not supported", elementType(code));
    }
    return dtype;
  }

  /** Whether values have their elements. */
  static boolean isKnown(@Nullable OnnxValue value) {
    return switch (value) {
      case null -> true;
      case OnnxValue.Dense(Tensor tensor, ElementType _) -> !TensorAccess.isTraced(tensor);
      case OnnxValue.Strings _ -> true;
      case OnnxValue.Sequence(List<OnnxValue> elements) ->
          elements.stream().allMatch(Call::isKnown);
      case OnnxValue.Optional(OnnxValue element) -> isKnown(element);
      case OnnxValue.Dictionary(Map<Object, OnnxValue> entries) ->
          entries.values().stream().allMatch(Call::isKnown);
    };
  }

  /**
   * What follows from tensors alone: at once when they have their elements, and once for all traces
   * when they are constants.
   */
  Tensor atOnce(Supplier<Tensor> work, @Nullable Tensor... from) {
    if (!Arrays.stream(from).allMatch(each -> each == null || !TensorAccess.isTraced(each))) {
      return work.get();
    }
    List<@Nullable OnnxValue> sources = new ArrayList<>();
    for (Tensor each : from) {
      sources.add(each == null ? null : new OnnxValue.Dense(each));
    }
    OnnxValue[] values =
        scope.interpreter().derived().of(node, () -> OnnxValue.all(work.get()), sources);
    return ((OnnxValue.Dense) values[0]).tensor();
  }

  /** Elements of this dtype, all the same: the number that is nearest. */
  static Tensor full(double value, DType dtype, Shape shape) {
    return Tensor.apply(new Fill(new TensorSpec(dtype, shape), value), Device.cpu());
  }
}
