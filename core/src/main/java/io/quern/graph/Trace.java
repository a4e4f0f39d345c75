package io.quern.graph;

import io.quern.Device;
import io.quern.Tensor;
import io.quern.TensorAccess;
import io.quern.TensorScope;
import io.quern.backend.Buffer;
import io.quern.op.Layout;
import io.quern.op.Op;
import io.quern.op.TensorSpec;
import io.quern.op.View;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Records the ops that a function applies to tensors instead of running them. While a thread
 * traces, every op it applies is recorded; tensors that exist already are captured by reference.
 */
public final class Trace {
  private static final ThreadLocal<@Nullable Trace> CURRENT = new ThreadLocal<>();

  private final Device device;
  private final List<Node> nodes = new ArrayList<>();
  private final Map<Place, Value.Captured> captured = new HashMap<>();
  private final Map<Place, Value> written = new HashMap<>();
  private final Map<Buffer, Place> writtenBuffers = new HashMap<>();
  private final List<Graph.Write> writes = new ArrayList<>();

  private Trace(Device device) {
    this.device = device;
  }

  /** The part of a buffer that a tensor shows; buffers are equal to themselves only. */
  record Place(Buffer buffer, Layout layout, TensorSpec spec) {
    static Place of(Tensor tensor) {
      return new Place(TensorAccess.buffer(tensor), tensor.layout(), tensor.spec());
    }
  }

  /** What the calling thread records into, or null. */
  public static @Nullable Trace current() {
    return CURRENT.get();
  }

  /**
   * The graph of {@code function}, which is called once with tensors that have no values.
   *
   * @throws IllegalStateException if the function asks for a value, or traces within a trace
   * @throws IllegalArgumentException if it uses tensors of another device
   */
  public static Graph of(
      Function<List<Tensor>, List<Tensor>> function, Device device, List<TensorSpec> inputs) {
    if (CURRENT.get() != null) {
      throw new IllegalStateException(
          "compile: a function is traced already; compile the inner one before");
    }
    Trace trace = new Trace(device);
    CURRENT.set(trace);
    try (TensorScope _ = TensorScope.open("a traced function")) {
      List<Tensor> arguments = new ArrayList<>();
      for (int i = 0; i < inputs.size(); i++) {
        arguments.add(trace.tensor(new Value.Input(i, inputs.get(i))));
      }
      List<Value> outputs = new ArrayList<>();
      List<Tensor> results = function.apply(arguments);
      if (results == null || results.stream().anyMatch(Objects::isNull)) {
        throw new IllegalArgumentException("compile: the function returned null, not a tensor");
      }
      for (Tensor output : results) {
        outputs.add(trace.value("return", output));
      }
      return new Graph(device, inputs, trace.nodes, outputs, trace.finalWrites());
    } finally {
      CURRENT.remove();
    }
  }

  /** Runs {@code work} at once, whether the calling thread traces or not. */
  public static <T> T outside(Supplier<T> work) {
    Trace trace = CURRENT.get();
    CURRENT.remove();
    try {
      return work.get();
    } finally {
      if (trace != null) {
        CURRENT.set(trace);
      }
    }
  }

  /** A tensor whose elements the application gives anew in each run. */
  public Tensor host(TensorSpec spec, HostValue source) {
    return tensor(new Value.Host(spec, source));
  }

  /** Records an op. */
  public Tensor[] record(Op op, Device where, Tensor[] inputs, List<TensorSpec> outputs) {
    requireHere(op.name(), where);
    List<Value> values = new ArrayList<>();
    for (Tensor input : inputs) {
      values.add(value(op.name(), input));
    }
    Node node = new Node(op, values, outputs);
    nodes.add(node);
    Tensor[] results = new Tensor[outputs.size()];
    for (int i = 0; i < results.length; i++) {
      results[i] = tensor(node.result(i));
    }
    return results;
  }

  /** Records an op whose results replace the elements of captured tensors. */
  public void recordInto(
      Op op, Device where, Tensor[] inputs, List<TensorSpec> outputs, Tensor[] targets) {
    Tensor[] results = record(op, where, inputs, outputs);
    for (int i = 0; i < targets.length; i++) {
      write(op.name(), targets[i], value(op.name(), results[i]));
    }
  }

  private void write(String op, Tensor target, Value value) {
    if (TensorAccess.buffer(target) instanceof Symbol symbol) {
      requireNoArgument(op, symbol.value());
      requireNoView(op, symbol.value());
      requireNoViews(op, symbol.value());
      symbol.assign(value);
      return;
    }
    Place place = Place.of(target);
    Value.Captured captive = capture(target);
    Place before = writtenBuffers.putIfAbsent(place.buffer, place);
    if (before != null && !before.equals(place)) {
      throw new UnsupportedOperationException(
          "compile: "
              + op
              + " writes to two views of one tensor, "
              + before.layout
              + " and "
              + place.layout
              + "; write the whole tensor instead");
    }
    written.put(place, value);
    writes.removeIf(write -> write.target().equals(captive));
    writes.add(new Graph.Write(value, captive));
  }

  /** The caller's tensor would keep its elements. */
  private static void requireNoArgument(String op, Value value) {
    if (value instanceof Value.Input) {
      throw new UnsupportedOperationException(
          "compile: "
              + op
              + " writes into an argument "
              + value.spec()
              + " of the function; return the new elements as a result instead");
    }
  }

  /** What the view shows would keep its elements. */
  private static void requireNoView(String op, Value value) {
    if (value instanceof Value.Result(Node node, int _) && node.op() instanceof View) {
      throw new UnsupportedOperationException(
          "compile: "
              + op
              + " writes into a view "
              + value.spec()
              + " that the function has made; write the whole tensor, joined by Tensor.concat or"
              + " chosen by Tensor.where, or make the view outside of the function");
    }
  }

  /** Views made before would go on showing the elements before the write. */
  private void requireNoViews(String op, Value value) {
    for (Node node : nodes) {
      if (node.op() instanceof View && node.inputs().getFirst().equals(value)) {
        throw new UnsupportedOperationException(
            "compile: "
                + op
                + " writes into a tensor "
                + value.spec()
                + " that has views; use the result instead");
      }
    }
  }

  private List<Graph.Write> finalWrites() {
    for (Graph.Write write : writes) {
      Buffer buffer = TensorAccess.buffer(write.target().tensor());
      for (Map.Entry<Place, Value.Captured> other : captured.entrySet()) {
        if (other.getKey().buffer.equals(buffer) && !other.getValue().equals(write.target())) {
          throw new UnsupportedOperationException(
              "compile: a tensor "
                  + write.target().spec()
                  + " is written and also used through the view "
                  + other.getKey().layout
                  + "; write and use the whole tensor, and make views of it in the function");
        }
      }
    }
    return writes;
  }

  private Tensor tensor(Value value) {
    return TensorAccess.symbolic(device, value.spec(), new Symbol(this, value));
  }

  private Value value(String op, Tensor tensor) {
    requireHere(op, tensor.device());
    TensorAccess.hold(tensor, op);
    TensorAccess.unhold(tensor);
    if (TensorAccess.buffer(tensor) instanceof Symbol symbol) {
      if (symbol.trace() != this) {
        throw new IllegalStateException(
            op + ": a tensor " + tensor.spec() + " belongs to another traced function");
      }
      return symbol.value();
    }
    Value now = written.get(Place.of(tensor));
    return now != null ? now : capture(tensor);
  }

  private Value.Captured capture(Tensor tensor) {
    return captured.computeIfAbsent(
        Place.of(tensor), key -> new Value.Captured(TensorAccess.share(tensor)));
  }

  private void requireHere(String op, Device where) {
    if (where != device) {
      throw new IllegalArgumentException(
          op + ": the traced function runs on " + device + ", found a tensor on " + where);
    }
  }

  /**
   * The error for code that asks for the elements of a tensor that has none.
   *
   * @param what the operation that asked
   */
  public static IllegalStateException needsValue(String what, TensorSpec spec) {
    return new IllegalStateException(
        "compile: "
            + what
            + " asks for the elements of a tensor "
            + spec
            + " while the function is traced, when there are none; compute with tensors"
            + " (Tensor.where, masks), or leave that part outside of the compiled function");
  }
}
