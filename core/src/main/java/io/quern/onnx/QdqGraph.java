package io.quern.onnx;

import io.quern.Tensor;
import io.quern.onnx.ModelProto.Attribute;
import io.quern.onnx.ModelProto.Graph;
import io.quern.onnx.ModelProto.Node;
import io.quern.onnx.ModelProto.TensorProto;
import io.quern.onnx.ModelProto.ValueInfo;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Says a graph on bytes by QuantizeLinear and DequantizeLinear: convolutions, products with
 * constant matrices and sums, and what moves values between them. Activations are U8 with a range
 * of their own; weights I8 around zero, with a scale for each output channel but in MatMul; a bias
 * counts steps of the products.
 */
final class QdqGraph {
  /** Operators whose result has the values of their input. */
  private static final Set<String> MOVES =
      Set.of(
          "MaxPool",
          "Concat",
          "Flatten",
          "Reshape",
          "Transpose",
          "Squeeze",
          "Unsqueeze",
          "Identity");

  private static final int BYTES = 255;
  private static final int MOST = 127;

  private final Graph graph;
  private final ConstantValues constants;
  private final Map<String, Integer> uses;
  private final Map<String, List<Node>> users = new HashMap<>();

  /**
   * Activations on bytes, and another one that has the same steps, until one has its own: values
   * that only move keep their bytes.
   */
  private final Map<String, String> quantized = new LinkedHashMap<>();

  private final Set<Node> onBytes = new LinkedHashSet<>();

  QdqGraph(Graph graph, ConstantValues constants) {
    this.graph = graph;
    this.constants = constants;
    this.uses = QuantizedNodes.uses(graph);
    for (Node node : graph.nodes()) {
      for (String input : node.inputs()) {
        users.computeIfAbsent(input, _ -> new ArrayList<>()).add(node);
      }
    }
    graph.nodes().forEach(this::choose);
  }

  private void choose(Node node) {
    if (!node.domain().isEmpty()) {
      return;
    }
    String result = node.outputs().isEmpty() ? "" : node.outputs().getFirst();
    if (isMove(node) && moved(node).stream().allMatch(quantized::containsKey)) {
      quantized.put(result, result);
      moved(node).forEach(input -> quantized.put(steps(input), steps(result)));
    } else if (canBeOnBytes(node)) {
      onBytes.add(node);
      quantized.putIfAbsent(node.inputs().get(0), node.inputs().get(0));
      if (isSum(node)) {
        quantized.putIfAbsent(node.inputs().get(1), node.inputs().get(1));
      }
      String end = end(result);
      quantized.put(end, end);
    }
  }

  /** Whether a node only chooses among the values of its inputs, or lays them out anew. */
  static boolean isMove(Node node) {
    return node.domain().isEmpty() && MOVES.contains(node.op()) && node.outputs().size() == 1;
  }

  /** The inputs whose values a node moves; others are sizes and positions. */
  static List<String> moved(Node node) {
    return node.op().equals("Concat") ? node.inputs() : node.inputs().subList(0, 1);
  }

  /** The activation whose steps another one has. */
  private String steps(String activation) {
    String now = activation;
    while (!quantized.get(now).equals(now)) {
      now = quantized.get(now);
    }
    return now;
  }

  /** The value that is stored: behind a rectifier, if that alone uses the result. */
  private String end(String result) {
    List<Node> after = users.getOrDefault(result, List.of());
    return after.size() == 1
            && after.getFirst().op().equals("Relu")
            && Integer.valueOf(1).equals(uses.get(result))
        ? after.getFirst().outputs().getFirst()
        : result;
  }

  private boolean canBeOnBytes(Node node) {
    return switch (node.op()) {
      case "Conv" -> isWeight(node, 1) && isAbsentOrConstant(node, 2);
      case "Gemm" ->
          isWeight(node, 1)
              && isAbsentOrConstant(node, 2)
              && node.number("alpha", 1) == 1
              && node.number("beta", 1) == 1
              && node.integer("transA", 0) == 0;
      case "MatMul" -> isWeight(node, 1) && constants.get(node.inputs().get(1)).rank() == 2;
      case "Add", "Sum" -> isSum(node) && node.inputs().stream().noneMatch(constants::contains);
      default -> false;
    };
  }

  private static boolean isSum(Node node) {
    return (node.op().equals("Add") || node.op().equals("Sum")) && node.inputs().size() == 2;
  }

  private boolean isWeight(Node node, int input) {
    return constants.contains(node.inputs().get(input))
        && !constants.contains(node.inputs().getFirst())
        && constants.get(node.inputs().get(input)).dtype() == io.quern.DType.F32;
  }

  private boolean isAbsentOrConstant(Node node, int input) {
    return node.inputs().size() <= input
        || node.inputs().get(input).isEmpty()
        || constants.contains(node.inputs().get(input));
  }

  /** The activations whose range must be known. */
  Set<String> observed() {
    return Collections.unmodifiableSet(quantized.keySet());
  }

  /** Nodes that compute on bytes. */
  int size() {
    return onBytes.size();
  }

  // ---- the graph that is written ------------------------------------------------------------

  /**
   * The quantised graph.
   *
   * @param ranges least and largest value of each observed activation
   */
  Graph quantized(Map<String, float[]> ranges) {
    return new Writing(ranges).graph();
  }

  /** Scale and zero point of an activation. */
  private record Steps(float scale, int zero) {
    static Steps of(float[] range) {
      double low = Math.min(0, range[0]);
      double high = Math.max(0, range[1]);
      float scale = (float) ((high - low) / BYTES);
      return scale < Float.MIN_NORMAL
          ? new Steps(1, 0)
          : new Steps(scale, (int) Math.rint(-low / scale));
    }
  }

  private final class Writing {
    /** Those of activations that have the same steps together. */
    private final Map<String, float[]> ranges = new LinkedHashMap<>();

    private final List<Node> nodes = new ArrayList<>();
    private final Map<String, TensorProto> initializers = new LinkedHashMap<>(graph.initializers());
    private final Set<String> inputs = new HashSet<>();
    private final FreshNames names = new FreshNames(graph);

    Writing(Map<String, float[]> observed) {
      observed.forEach(
          (activation, range) ->
              ranges.merge(
                  steps(activation),
                  range,
                  (a, b) -> new float[] {Math.min(a[0], b[0]), Math.max(a[1], b[1])}));
      graph.inputs().stream().map(ValueInfo::name).forEach(inputs::add);
    }

    Graph graph() {
      ranges.keySet().forEach(this::addSteps);
      for (String input : inputs) {
        if (quantized.containsKey(input)) {
          bytesOf(input, input, names.of(input + "_dequantized"));
        }
      }
      graph.nodes().forEach(this::node);
      List<Node> needed = new ArrayList<>();
      Set<String> wanted = new HashSet<>();
      graph.outputs().forEach(output -> wanted.add(output.name()));
      for (Node node : nodes.reversed()) {
        if (node.outputs().stream().anyMatch(wanted::contains)) {
          needed.addFirst(node);
          wanted.addAll(QuantizedNodes.uses(within(List.of(node), Map.of())).keySet());
        }
      }
      initializers.keySet().retainAll(wanted);
      return within(needed, initializers);
    }

    private Graph within(List<Node> nodes, Map<String, TensorProto> initializers) {
      return new Graph(
          graph.name(),
          nodes,
          graph.inputs().stream()
              .filter(input -> !graph.initializers().containsKey(input.name()))
              .toList(),
          graph.outputs(),
          initializers,
          graph.sparseInitializers());
    }

    private void addSteps(String activation) {
      Steps steps = Steps.of(ranges.get(activation));
      long[] scalar = {};
      put(ConstantValues.of(names.of(activation + "_scale"), scalar, steps.scale));
      put(
          ConstantValues.of(
              names.of(activation + "_zero_point"), ElementType.UINT8, scalar, (byte) steps.zero));
    }

    private void put(TensorProto constant) {
      initializers.put(constant.name(), constant);
    }

    /** Rounds an activation to bytes, under the name by which others use it from then on. */
    private void bytesOf(String activation, String from, String to) {
      String scale = names.of(steps(activation) + "_scale");
      String zero = names.of(steps(activation) + "_zero_point");
      String bytes = names.of(activation + "_quantized");
      add("QuantizeLinear", List.of(from, scale, zero), bytes, Map.of());
      add("DequantizeLinear", List.of(bytes, scale, zero), to, Map.of());
    }

    private void add(String op, List<String> from, String to, Map<String, Attribute> attributes) {
      nodes.add(new Node(to + "_" + op, "", op, "", from, List.of(to), attributes));
    }

    private void node(Node node) {
      List<String> from = new ArrayList<>(node.inputs());
      from.replaceAll(
          name ->
              inputs.contains(name) && quantized.containsKey(name)
                  ? names.of(name + "_dequantized")
                  : name);
      if (onBytes.contains(node) && !isSum(node)) {
        weights(node, from);
      }
      List<String> to = new ArrayList<>(node.outputs());
      to.replaceAll(name -> quantized.containsKey(name) ? names.of(name + "_float") : name);
      nodes.add(
          new Node(
              node.name(),
              node.domain(),
              isSum(node) ? "Add" : node.op(),
              node.overload(),
              from,
              to,
              node.attributes()));
      for (String output : node.outputs()) {
        if (quantized.containsKey(output)) {
          bytesOf(output, names.of(output + "_float"), output);
        }
      }
    }

    /** Puts constants of integers in the place of a weight and its bias. */
    private void weights(Node node, List<String> from) {
      Tensor weight = constants.get(node.inputs().get(1));
      boolean isTransposed = node.op().equals("Gemm") && node.integer("transB", 0) == 0;
      int axis = isTransposed ? 1 : 0;
      boolean isEach = !node.op().equals("MatMul");
      float[] values = weight.toFloatArray();
      int channels = isEach ? Math.toIntExact(weight.dim(axis)) : 1;
      float[] scales = scales(values, weight, channels, isTransposed);
      byte[] bytes = new byte[values.length];
      for (int i = 0; i < values.length; i++) {
        int channel = channel(i, values.length, channels, isTransposed);
        bytes[i] =
            (byte) Math.clamp((long) Math.rint(values[i] / (double) scales[channel]), -MOST, MOST);
      }
      String name = names.of(node.outputs().getFirst() + "_weight");
      long[] dims = isEach ? new long[] {channels} : new long[0];
      put(
          ConstantValues.of(
              names.of(name + "_quantized"), ElementType.INT8, weight.shape().toArray(), bytes));
      put(ConstantValues.of(names.of(name + "_scale"), dims, scales));
      put(
          ConstantValues.of(
              names.of(name + "_zero_point"), ElementType.INT8, dims, new byte[channels]));
      List<String> parts =
          List.of(
              names.of(name + "_quantized"),
              names.of(name + "_scale"),
              names.of(name + "_zero_point"));
      add("DequantizeLinear", parts, name, Map.of("axis", Attribute.of("axis", axis)));
      from.set(1, name);
      if (from.size() > 2 && !from.get(2).isEmpty()) {
        from.set(2, bias(node, scales));
      }
    }

    /** The number of an element's output channel. */
    private static int channel(int element, int elements, int channels, boolean isTransposed) {
      return isTransposed ? element % channels : element / (elements / channels);
    }

    private static float[] scales(
        float[] values, Tensor weight, int channels, boolean isTransposed) {
      float[] scales = new float[channels];
      for (int i = 0; i < values.length; i++) {
        int channel = channel(i, values.length, channels, isTransposed);
        scales[channel] = Math.max(scales[channel], Math.abs(values[i]));
      }
      for (int channel = 0; channel < channels; channel++) {
        float scale = scales[channel] / MOST;
        if (!Float.isFinite(scale)) {
          throw new OnnxException("onnx quantize: a weight " + weight.shape() + " is not finite");
        }
        scales[channel] = scale < Float.MIN_NORMAL ? 1 : scale;
      }
      return scales;
    }

    private String bias(Node node, float[] scales) {
      float[] values = constants.get(node.inputs().get(2)).toFloatArray();
      float step = Steps.of(ranges.get(steps(node.inputs().getFirst()))).scale;
      float[] steps = new float[values.length];
      int[] counts = new int[values.length];
      for (int i = 0; i < values.length; i++) {
        steps[i] = step * scales[scales.length == 1 ? 0 : i];
        counts[i] = (int) Math.rint(values[i] / (double) steps[i]);
      }
      String name = names.of(node.outputs().getFirst() + "_bias");
      put(ConstantValues.of(names.of(name + "_quantized"), counts));
      put(ConstantValues.of(names.of(name + "_scale"), new long[] {steps.length}, steps));
      add(
          "DequantizeLinear",
          List.of(names.of(name + "_quantized"), names.of(name + "_scale")),
          name,
          Map.of("axis", Attribute.of("axis", 0)));
      return name;
    }
  }

  /** A graph that tells the least and largest value of activations, in this order. */
  static Graph observing(Graph graph, Set<String> activations) {
    List<Node> nodes = new ArrayList<>(graph.nodes());
    List<ValueInfo> outputs = new ArrayList<>();
    for (String activation : activations) {
      for (String op : List.of("ReduceMin", "ReduceMax")) {
        String name = activation + "_" + op;
        Attribute keep = Attribute.of("keepdims", 0);
        nodes.add(
            new Node(
                name, "", op, "", List.of(activation), List.of(name), Map.of("keepdims", keep)));
        outputs.add(new ValueInfo(name, null));
      }
    }
    return new Graph(
        graph.name(),
        nodes,
        graph.inputs(),
        outputs,
        graph.initializers(),
        graph.sparseInitializers());
  }
}
