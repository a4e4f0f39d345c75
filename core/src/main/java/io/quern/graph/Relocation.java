package io.quern.graph;

import io.quern.Device;
import io.quern.Tensor;
import io.quern.TensorAccess;
import io.quern.TensorScope;
import io.quern.backend.Buffer;
import io.quern.grad.Tape;
import io.quern.op.Layout;
import io.quern.op.TensorSpec;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.WeakHashMap;

/**
 * Moves graphs from one device to another, with copies of the tensors that they capture. Graphs
 * that are moved by the same relocation share copies. Thread-safe.
 */
public final class Relocation {
  private final Device device;

  /** By what was copied, which need not live on for its copy. */
  private final Map<Buffer, Map<Part, Copy>> copies = new WeakHashMap<>();

  private record Part(Layout layout, TensorSpec spec) {}

  /** A captured tensor as it was at a version. */
  private record Copy(Value.Captured captured, long version) {}

  /** A relocation that has moved nothing yet. */
  public Relocation(Device device) {
    this.device = device;
  }

  /** Where graphs are moved to. */
  public Device device() {
    return device;
  }

  /**
   * The graph on the other device.
   *
   * @throws IllegalArgumentException if it changes captured tensors
   */
  public Graph apply(Graph graph) {
    if (graph.device() == device) {
      return graph;
    }
    if (!graph.writes().isEmpty()) {
      throw new IllegalArgumentException(
          "compile: a function that changes tensors on "
              + graph.device()
              + " cannot move to "
              + device
              + "; move its tensors there before");
    }
    Rewriter rewriter = new Rewriter(graph);
    for (Value.Captured captured : graph.captured()) {
      rewriter.replace(captured, copy(captured));
    }
    graph.nodes().forEach(rewriter::keep);
    return rewriter.finish().on(device);
  }

  /** The copy of this version; that of another one is left to the graphs that have it. */
  private synchronized Value.Captured copy(Value.Captured captured) {
    Tensor tensor = captured.tensor();
    List<Tensor> sources = captured.sources().isEmpty() ? List.of(tensor) : captured.sources();
    long version = TensorAccess.version(tensor);
    return copies
        .computeIfAbsent(TensorAccess.buffer(tensor), key -> new HashMap<>())
        .compute(
            new Part(tensor.layout(), tensor.spec()),
            (key, old) ->
                old != null && old.version == version
                    ? old
                    : new Copy(new Value.Captured(moved(tensor), sources), version))
        .captured;
  }

  private Tensor moved(Tensor tensor) {
    return Tape.withoutRecording(
        () -> {
          try (TensorScope _ = TensorScope.open("a relocation")) {
            return TensorAccess.share(tensor.to(device));
          }
        });
  }
}
