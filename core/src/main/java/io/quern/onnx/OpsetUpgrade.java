package io.quern.onnx;

import io.quern.onnx.ModelProto.Attribute;
import io.quern.onnx.ModelProto.Graph;
import io.quern.onnx.ModelProto.Node;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Brings models to version {@value #VERSION} of the operators, the first whose scales may be one
 * for each channel, where every operator still means the same there.
 */
final class OpsetUpgrade {
  static final long VERSION = 13;

  /** The first version of the meaning that these have in {@link #VERSION}. */
  private static final Map<String, Long> SAME_SINCE = new HashMap<>();

  static {
    Set.of(
            "AveragePool",
            "Concat",
            "Constant",
            "ConstantOfShape",
            "Conv",
            "Flatten",
            "GlobalAveragePool",
            "GlobalMaxPool",
            "Identity",
            "LRN",
            "LeakyRelu",
            "MaxPool",
            "Relu",
            "Reshape",
            "Shape",
            "Sigmoid",
            "Tanh",
            "Transpose")
        .forEach(op -> SAME_SINCE.put(op, 1L));
    // They broadcast as arrays do since then, and Gemm may go without a bias.
    Set.of("Add", "Div", "Gemm", "MatMul", "Mul", "Sub").forEach(op -> SAME_SINCE.put(op, 7L));
    SAME_SINCE.put("Sum", 8L);
    SAME_SINCE.put("BatchNormalization", 9L);
    SAME_SINCE.put("Clip", 11L);
    SAME_SINCE.put("Dropout", 12L);
  }

  private OpsetUpgrade() {}

  /**
   * The model in the newer version, or as it is if that is newer.
   *
   * @throws OnnxException if an operator has another meaning there
   */
  static ModelProto of(Object source, ModelProto model) {
    long version = model.opsets().getOrDefault("", 1L);
    if (version >= VERSION) {
      return model;
    }
    List<Node> nodes = new ArrayList<>();
    for (Node node : model.graph().nodes()) {
      nodes.add(node.domain().isEmpty() ? upgraded(source, node, version, model.graph()) : node);
    }
    Map<String, Long> opsets = new LinkedHashMap<>(model.opsets());
    opsets.put("", VERSION);
    return new ModelProto(
        Math.max(7, model.irVersion()),
        model.producer(),
        opsets,
        model.graph().with(nodes),
        model.functions());
  }

  private static Node upgraded(Object source, Node node, long version, Graph graph) {
    boolean isLast = graph.outputs().stream().anyMatch(o -> node.outputs().contains(o.name()));
    boolean isSame =
        version >= SAME_SINCE.getOrDefault(node.op(), Long.MAX_VALUE)
            || (node.op().equals("Softmax") && isLast && node.integer("axis", 1) == 1);
    if (node.op().equals("Dropout") && version < 12 && version >= 7) {
      return with(node, "Identity", node.inputs().subList(0, 1), Map.of());
    }
    if (node.op().equals("BatchNormalization") && version >= 7) {
      Map<String, Attribute> attributes = new LinkedHashMap<>(node.attributes());
      Attribute spatial = attributes.remove("spatial");
      if (spatial == null || spatial.integer() == 1) {
        return with(node, node.op(), node.inputs(), attributes);
      }
    }
    if (!isSame) {
      throw new OnnxException(
          source
              + ": "
              + node.label()
              + " of version "
              + version
              + " means something else in version "
              + VERSION
              + ", which scales for each channel need; export the model in that version");
    }
    return node;
  }

  private static Node with(
      Node node, String op, List<String> inputs, Map<String, Attribute> attributes) {
    return new Node(
        node.name(), node.domain(), op, "", inputs, node.outputs().subList(0, 1), attributes);
  }
}
