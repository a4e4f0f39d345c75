package io.quern.onnx;

import io.quern.onnx.ModelProto.Graph;
import io.quern.onnx.ModelProto.Node;
import io.quern.onnx.ModelProto.TensorProto;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Makes batch normalisations part of the convolutions before them: {@code scale (w x + b - mean) /
 * sqrt(var + epsilon) + bias} is a convolution with other weights and another bias.
 */
final class BatchNormFolding {
  private final Graph graph;
  private final ConstantValues constants;
  private final Map<String, Node> givenBy = new HashMap<>();
  private final Map<String, Integer> uses;
  private final Map<String, TensorProto> initializers;
  private final FreshNames names;

  private BatchNormFolding(Graph graph, ConstantValues constants) {
    this.graph = graph;
    this.constants = constants;
    this.uses = QuantizedNodes.uses(graph);
    this.names = new FreshNames(graph);
    this.initializers = new LinkedHashMap<>(graph.initializers());
    for (Node node : graph.nodes()) {
      node.outputs().forEach(output -> givenBy.put(output, node));
    }
  }

  static Graph apply(Graph graph, ConstantValues constants) {
    return new BatchNormFolding(graph, constants).folded();
  }

  private Graph folded() {
    Map<Node, Node> changed = new HashMap<>();
    for (Node norm : graph.nodes()) {
      Node conv = norm.op().equals("BatchNormalization") ? givenBy.get(norm.inputs().get(0)) : null;
      if (conv != null && isFoldable(conv, norm)) {
        changed.put(conv, folded(conv, norm));
        changed.put(norm, null);
      }
    }
    List<Node> nodes = new ArrayList<>();
    for (Node node : graph.nodes()) {
      Node now = changed.getOrDefault(node, node);
      if (now != null) {
        nodes.add(now);
      }
    }
    return graph.with(nodes, initializers);
  }

  private boolean isFoldable(Node conv, Node norm) {
    return conv.op().equals("Conv")
        && conv.domain().isEmpty()
        && Integer.valueOf(1).equals(uses.get(norm.inputs().get(0)))
        && norm.inputs().stream().skip(1).allMatch(constants::contains)
        && conv.inputs().stream().skip(1).allMatch(i -> i.isEmpty() || constants.contains(i));
  }

  private Node folded(Node conv, Node norm) {
    float[] weight = constants.get(conv.inputs().get(1)).toFloatArray();
    long[] dims = constants.get(conv.inputs().get(1)).shape().toArray();
    double[] scale = constants.get(norm.inputs().get(1)).toDoubleArray();
    double[] shift = constants.get(norm.inputs().get(2)).toDoubleArray();
    double[] mean = constants.get(norm.inputs().get(3)).toDoubleArray();
    double[] variance = constants.get(norm.inputs().get(4)).toDoubleArray();
    boolean hasBias = conv.inputs().size() > 2 && !conv.inputs().get(2).isEmpty();
    double[] before =
        hasBias ? constants.get(conv.inputs().get(2)).toDoubleArray() : new double[scale.length];
    double epsilon = norm.number("epsilon", 1e-5);
    float[] bias = new float[scale.length];
    int each = weight.length / Math.max(1, scale.length);
    for (int channel = 0; channel < scale.length; channel++) {
      double factor = scale[channel] / Math.sqrt(variance[channel] + epsilon);
      bias[channel] = (float) (factor * (before[channel] - mean[channel]) + shift[channel]);
      for (int i = channel * each; i < (channel + 1) * each; i++) {
        weight[i] = (float) (factor * weight[i]);
      }
    }
    String result = norm.outputs().getFirst();
    String weightName = names.of(result + "_weight");
    String biasName = names.of(result + "_bias");
    put(ConstantValues.of(weightName, dims, weight));
    put(ConstantValues.of(biasName, new long[] {bias.length}, bias));
    return new Node(
        conv.name(),
        conv.domain(),
        conv.op(),
        conv.overload(),
        List.of(conv.inputs().getFirst(), weightName, biasName),
        List.of(result),
        conv.attributes());
  }

  private void put(TensorProto constant) {
    initializers.put(constant.name(), constant);
  }
}
