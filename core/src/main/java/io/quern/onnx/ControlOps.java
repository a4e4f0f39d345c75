package io.quern.onnx;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.graph.Trace;
import io.quern.onnx.ModelProto.Graph;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Operators that run graphs. */
final class ControlOps {
  /** Rounds of a loop that a plan may consist of. */
  static final long LONGEST = 256;

  private ControlOps() {}

  static void addTo(OpTable table) {
    table.body("If", 1, ControlOps::choose);
    table.body("Loop", 1, ControlOps::loop);
    table.body("Scan", 8, ControlOps::scan);
    table.body("SequenceMap", 17, ControlOps::map);
  }

  private static OnnxValue[] choose(Call call) {
    boolean holds = call.longs(0)[0] != 0;
    return call.run(call.graph(holds ? "then_branch" : "else_branch"));
  }

  private static OnnxValue[] loop(Call call) {
    Graph body = call.graph("body");
    long most = call.has(0) ? call.longs(0)[0] : Long.MAX_VALUE;
    boolean goesOn = !call.has(1) || call.longs(1)[0] != 0;
    int carried = call.count() - 2;
    OnnxValue[] state = new OnnxValue[Math.max(0, carried)];
    for (int i = 0; i < state.length; i++) {
      state[i] = call.value(i + 2);
    }
    List<List<OnnxValue>> scanned = new ArrayList<>();
    for (int i = carried + 1; i < body.outputs().size(); i++) {
      scanned.add(new ArrayList<>());
    }
    boolean traced = Trace.current() != null;
    for (long round = 0; goesOn && round < most; round++) {
      if (traced && round == LONGEST) {
        throw new NeedsValue(call.label() + " has more than " + LONGEST + " rounds");
      }
      OnnxValue[] arguments = new OnnxValue[state.length + 2];
      arguments[0] = OnnxValue.of(OnnxValue.longs(Shape.scalar(), round));
      arguments[1] = OnnxValue.of(Call.full(1, DType.BOOL, Shape.scalar()));
      System.arraycopy(state, 0, arguments, 2, state.length);
      OnnxValue[] results = call.run(body, arguments);
      goesOn = isTrue(call, results[0]);
      System.arraycopy(results, 1, state, 0, state.length);
      for (int i = 0; i < scanned.size(); i++) {
        scanned.get(i).add(results[carried + 1 + i]);
      }
    }
    OnnxValue[] all = Arrays.copyOf(state, state.length + scanned.size());
    for (int i = 0; i < scanned.size(); i++) {
      all[state.length + i] = stacked(call, scanned.get(i), 0, body, carried + 1 + i);
    }
    return all;
  }

  private static boolean isTrue(Call call, OnnxValue value) {
    if (!(value instanceof OnnxValue.Dense(Tensor tensor, ElementType _))) {
      throw call.error("the condition must be a tensor, found %s", value.kind());
    }
    if (!Call.isKnown(value)) {
      throw new NeedsValue(call.label() + " goes on as long as a computed condition holds");
    }
    return Trace.outside(tensor::item) != 0;
  }

  /** Results of all rounds along a new axis. */
  private static OnnxValue stacked(
      Call call, List<OnnxValue> parts, int axis, Graph body, int output) {
    if (parts.isEmpty()) {
      return empty(call, body, output);
    }
    Tensor[] tensors = new Tensor[parts.size()];
    ElementType type = ElementType.FLOAT;
    for (int i = 0; i < tensors.length; i++) {
      if (!(parts.get(i) instanceof OnnxValue.Dense(Tensor tensor, ElementType of))) {
        throw call.error("only tensors are stacked, found %s", parts.get(i).kind());
      }
      tensors[i] = tensor.unsqueeze(axis);
      type = of;
    }
    return new OnnxValue.Dense(Tensor.concat(axis, tensors), type);
  }

  /** No rounds: the shape is what the graph declares. */
  private static OnnxValue empty(Call call, Graph body, int output) {
    ModelProto.TypeProto declared = body.outputs().get(output).type();
    if (!(declared instanceof ModelProto.TypeProto.Tensor(int code, var dims))) {
      throw call.error("output %d has no rounds and no declared shape", output);
    }
    Shape shape = Shape.of(0);
    if (dims != null) {
      for (ModelProto.Dimension dim : dims) {
        shape = shape.insert(shape.rank(), Math.max(0, dim.size()));
      }
    }
    ElementType type = code == 0 ? ElementType.FLOAT : call.elementType(code);
    return type == ElementType.STRING
        ? new OnnxValue.Strings(shape, List.of())
        : new OnnxValue.Dense(Call.full(0, call.dtype(type.code()), shape), type);
  }

  private static OnnxValue[] scan(Call call) {
    if (call.version() >= 9) {
      OnnxValue[] inputs = new OnnxValue[call.count()];
      for (int i = 0; i < inputs.length; i++) {
        inputs[i] = call.value(i);
      }
      return scan(call, inputs, false);
    }
    return batchedScan(call);
  }

  /** Version 8 has a batch dimension in front of all, and sequence lengths. */
  private static OnnxValue[] batchedScan(Call call) {
    if (call.has(0)) {
      throw call.error("sequence lengths are not supported");
    }
    long batch = call.in(1).dim(0);
    List<List<OnnxValue>> results = new ArrayList<>();
    for (long b = 0; b < batch; b++) {
      OnnxValue[] inputs = new OnnxValue[call.count() - 1];
      for (int i = 0; i < inputs.length; i++) {
        OnnxValue.Dense input = call.dense(i + 1);
        inputs[i] = new OnnxValue.Dense(input.tensor().select(0, b), input.type());
      }
      OnnxValue[] each = scan(call, inputs, true);
      for (int i = 0; i < each.length; i++) {
        if (b == 0) {
          results.add(new ArrayList<>());
        }
        results.get(i).add(each[i]);
      }
    }
    Graph body = call.graph("body");
    OnnxValue[] all = new OnnxValue[results.size()];
    for (int i = 0; i < all.length; i++) {
      all[i] = stacked(call, results.get(i), 0, body, i);
    }
    return all;
  }

  private static OnnxValue[] scan(Call call, OnnxValue[] inputs, boolean batched) {
    Graph body = call.graph("body");
    int scans = (int) call.integer("num_scan_inputs");
    int carried = inputs.length - scans;
    if (scans < 1 || carried < 0) {
      throw call.error("%d scan inputs do not fit %d inputs", scans, inputs.length);
    }
    long[] inAxes = call.integers("scan_input_axes", new long[scans]);
    long[] inBackward =
        batched
            ? call.integers("directions", new long[scans])
            : call.integers("scan_input_directions", new long[scans]);
    int outs = body.outputs().size() - carried;
    long[] outAxes = call.integers("scan_output_axes", new long[outs]);
    long[] outBackward = call.integers("scan_output_directions", new long[outs]);
    OnnxValue[] state = Arrays.copyOf(inputs, carried);
    OnnxValue.Dense[] over = new OnnxValue.Dense[scans];
    long rounds = -1;
    for (int i = 0; i < scans; i++) {
      if (!(inputs[carried + i] instanceof OnnxValue.Dense dense)) {
        throw call.error("only tensors are scanned, found %s", inputs[carried + i].kind());
      }
      over[i] = dense;
      rounds = dense.tensor().dim(call.axis(inAxes[i], dense.tensor().rank()));
    }
    List<List<OnnxValue>> scanned = new ArrayList<>();
    for (int i = 0; i < outs; i++) {
      scanned.add(new ArrayList<>());
    }
    for (long round = 0; round < rounds; round++) {
      OnnxValue[] arguments = Arrays.copyOf(state, inputs.length);
      for (int i = 0; i < scans; i++) {
        Tensor from = over[i].tensor();
        int axis = call.axis(inAxes[i], from.rank());
        long at = inBackward[i] == 0 ? round : from.dim(axis) - 1 - round;
        arguments[carried + i] = new OnnxValue.Dense(from.select(axis, at), over[i].type());
      }
      OnnxValue[] results = call.run(body, arguments);
      System.arraycopy(results, 0, state, 0, carried);
      for (int i = 0; i < outs; i++) {
        List<OnnxValue> parts = scanned.get(i);
        parts.add(outBackward[i] == 0 ? parts.size() : 0, results[carried + i]);
      }
    }
    OnnxValue[] all = Arrays.copyOf(state, carried + outs);
    for (int i = 0; i < outs; i++) {
      List<OnnxValue> parts = scanned.get(i);
      all[carried + i] = stacked(call, parts, axisOf(call, outAxes[i], parts), body, carried + i);
    }
    return all;
  }

  private static int axisOf(Call call, long axis, List<OnnxValue> parts) {
    return !parts.isEmpty()
            && parts.getFirst() instanceof OnnxValue.Dense(Tensor tensor, ElementType _)
        ? call.axis(axis, tensor.rank() + 1)
        : 0;
  }

  private static OnnxValue[] map(Call call) {
    Graph body = call.graph("body");
    @Nullable List<List<OnnxValue>> columns = null;
    int rounds = SequenceOps.sequence(call, 0).size();
    for (int round = 0; round < rounds; round++) {
      OnnxValue[] arguments = new OnnxValue[call.count()];
      for (int i = 0; i < arguments.length; i++) {
        arguments[i] =
            call.value(i) instanceof OnnxValue.Sequence(List<OnnxValue> elements)
                ? elements.get(round)
                : call.value(i);
      }
      OnnxValue[] results = call.run(body, arguments);
      if (columns == null) {
        columns = new ArrayList<>();
        for (int i = 0; i < results.length; i++) {
          columns.add(new ArrayList<>());
        }
      }
      for (int i = 0; i < results.length; i++) {
        columns.get(i).add(results[i]);
      }
    }
    OnnxValue[] all = new OnnxValue[call.outputs()];
    for (int i = 0; i < all.length; i++) {
      all[i] = new OnnxValue.Sequence(columns == null ? List.of() : columns.get(i));
    }
    return all;
  }
}
