package io.quern.onnx;

import io.quern.Tensor;
import io.quern.TensorAccess;
import io.quern.onnx.ExportGraph.Constant;
import io.quern.onnx.ExportGraph.Node;
import io.quern.onnx.ExportGraph.Port;
import io.quern.onnx.ExportGraph.Sizes;
import io.quern.onnx.ExportGraph.Weight;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;

/**
 * Makes one graph for batches of all sizes out of graphs for some. They must be the same but for
 * sizes that grow linearly with the batch; those are computed from the input when the model runs.
 */
final class OpenBatch {
  /** Some of each parity, and unlikely among the other sizes of a model. */
  static final List<Long> SIZES = List.of(6L, 11L, 15L);

  private final List<ExportGraph> graphs;
  private final String symbol;
  private final Map<String, Constant> constants = new LinkedHashMap<>();
  private final List<Node> before = new ArrayList<>();

  private OpenBatch(List<ExportGraph> graphs, String symbol) {
    this.graphs = graphs;
    this.symbol = symbol;
  }

  /**
   * Joins the graphs for {@link #SIZES}.
   *
   * @param symbol name of the batch's size
   * @throws OnnxException if they differ in anything else
   */
  static ExportGraph join(List<ExportGraph> graphs, String symbol) {
    return new OpenBatch(graphs, symbol).join();
  }

  /** A size as a function of the batch's, {@code factor * batch + more}. */
  private record Linear(long factor, long more) {
    String expression(String batch) {
      if (factor == 0) {
        return Long.toString(more);
      }
      String product = factor == 1 ? batch : factor + "*" + batch;
      return more == 0 ? product : product + (more < 0 ? "" : "+") + more;
    }
  }

  private ExportGraph join() {
    ExportGraph first = graphs.getFirst();
    for (ExportGraph other : graphs) {
      if (other.nodes().size() != first.nodes().size()
          || !other.constants().keySet().equals(first.constants().keySet())) {
        throw differs("its steps are others");
      }
      for (int i = 0; i < first.nodes().size(); i++) {
        if (!other.nodes().get(i).equals(first.nodes().get(i))) {
          throw differs(first.nodes().get(i) + " becomes " + other.nodes().get(i));
        }
      }
    }
    first.constants().keySet().forEach(this::constant);
    return first.with(constants, before, ports(ExportGraph::inputs), ports(ExportGraph::outputs));
  }

  private OnnxException differs(String how) {
    return new OnnxException(
        "onnx export: the function depends on the size of the batch, "
            + how
            + "; give the batch a size with fixedBatch");
  }

  // ---- sizes ------------------------------------------------------------------------------

  private void constant(String name) {
    List<Constant> all = graphs.stream().map(graph -> graph.constants().get(name)).toList();
    switch (all.getFirst()) {
      case Weight(Tensor tensor) -> {
        for (Constant each : all) {
          if (!(each instanceof Weight(Tensor other)) || !isSame(tensor, other)) {
            throw differs("the constant '" + name + "' has other values");
          }
        }
        constants.put(name, all.getFirst());
      }
      case Sizes(List<Long> values) -> {
        List<Linear> sizes = new ArrayList<>();
        for (int i = 0; i < values.size(); i++) {
          int at = i;
          sizes.add(
              linear(name, all.stream().map(each -> ((Sizes) each).values().get(at)).toList()));
        }
        sizes(name, sizes);
      }
    }
  }

  private static boolean isSame(Tensor left, Tensor right) {
    return isShared(left, right)
        || (left.spec().equals(right.spec())
            && Arrays.equals(left.toByteArray(), right.toByteArray()));
  }

  /** Whether two tensors are the same elements in memory. */
  static boolean isShared(Tensor left, Tensor right) {
    return Objects.equals(TensorAccess.buffer(left), TensorAccess.buffer(right))
        && left.layout().equals(right.layout())
        && left.dtype() == right.dtype();
  }

  private Linear linear(String what, List<Long> values) {
    long factor = (values.get(1) - values.get(0)) / (SIZES.get(1) - SIZES.get(0));
    Linear linear = new Linear(factor, values.get(0) - factor * SIZES.get(0));
    for (int i = 0; i < SIZES.size(); i++) {
      if (values.get(i) != linear.factor * SIZES.get(i) + linear.more) {
        throw differs("'" + what + "' is " + values + " for batches of " + SIZES);
      }
    }
    return linear;
  }

  /** Adds what gives the sizes, under the name of the constant. */
  private void sizes(String name, List<Linear> sizes) {
    long open = sizes.stream().filter(size -> size.factor != 0).count();
    boolean hasZero = sizes.contains(new Linear(0, 0));
    if (open == 0 || (open == 1 && !hasZero && isOnlyReshaped(name))) {
      List<Long> values = sizes.stream().map(s -> s.factor == 0 ? s.more : -1).toList();
      constants.put(name, new Sizes(values));
      return;
    }
    List<String> parts = new ArrayList<>();
    for (int i = 0; i < sizes.size(); i++) {
      parts.add(size(name + "_" + i, sizes.get(i)));
    }
    before.add(new Node("Concat", parts, List.of(name), Map.of("axis", 0L)));
  }

  /** Whether a constant is nothing but the shape of reshapes, where -1 is the size that is left. */
  private boolean isOnlyReshaped(String name) {
    return graphs.getFirst().nodes().stream()
        .filter(node -> node.inputs().contains(name))
        .allMatch(node -> node.op().equals("Reshape") && node.inputs().indexOf(name) == 1);
  }

  private String size(String base, Linear size) {
    if (size.factor == 0) {
      return number(base, size.more);
    }
    String value = batch();
    if (size.factor != 1) {
      String factor = number(base + "_factor", size.factor);
      value = node("Mul", List.of(value, factor), base + "_product");
    }
    if (size.more != 0) {
      value = node("Add", List.of(value, number(base + "_more", size.more)), base + "_sum");
    }
    return value;
  }

  private String number(String base, long value) {
    String name = graphs.getFirst().fresh(base);
    constants.put(name, new Sizes(List.of(value)));
    return name;
  }

  private String node(String op, List<String> inputs, String base) {
    String name = graphs.getFirst().fresh(base);
    before.add(new Node(op, inputs, List.of(name), Map.of()));
    return name;
  }

  /** The size of the batch, I64[1]. */
  private String batch() {
    if (before.isEmpty() || !before.getFirst().op().equals("Shape")) {
      String input = graphs.getFirst().inputs().getFirst().name();
      String name = graphs.getFirst().fresh("batch_size");
      Map<String, Object> range = Map.of("start", 0L, "end", 1L);
      before.addFirst(new Node("Shape", List.of(input), List.of(name), range));
    }
    return before.getFirst().outputs().getFirst();
  }

  // ---- inputs and outputs -----------------------------------------------------------------

  private List<Port> ports(Function<ExportGraph, List<Port>> side) {
    List<List<Port>> all = graphs.stream().map(side).toList();
    List<Port> ports = new ArrayList<>();
    for (int i = 0; i < all.getFirst().size(); i++) {
      int at = i;
      ports.add(port(all.stream().map(each -> each.get(at)).toList()));
    }
    return ports;
  }

  private Port port(List<Port> ports) {
    Port first = ports.getFirst();
    List<String> dims = new ArrayList<>();
    for (int d = 0; d < first.dims().size(); d++) {
      int at = d;
      List<Long> sizes = ports.stream().map(port -> Long.valueOf(port.dims().get(at))).toList();
      dims.add(linear(first.name(), sizes).expression(symbol));
    }
    return new Port(first.name(), first.dtype(), dims);
  }
}
