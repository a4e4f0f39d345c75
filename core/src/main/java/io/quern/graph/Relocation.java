package io.quern.graph;

import io.quern.Device;
import io.quern.Tensor;
import io.quern.TensorAccess;
import io.quern.grad.Tape;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Moves graphs from one device to another, with copies of the tensors that they capture. Graphs
 * that are moved by the same relocation share copies. Thread-safe.
 */
public final class Relocation {
  private final Device device;
  private final Map<Original, Value.Captured> copies = new ConcurrentHashMap<>();

  /** A captured tensor as it was when it was copied. */
  private record Original(Trace.Place place, long version) {}

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

  private Value.Captured copy(Value.Captured captured) {
    Tensor tensor = captured.tensor();
    List<Tensor> sources = captured.sources().isEmpty() ? List.of(tensor) : captured.sources();
    return copies.computeIfAbsent(
        new Original(Trace.Place.of(tensor), TensorAccess.version(tensor)),
        key -> new Value.Captured(moved(tensor), sources));
  }

  private Tensor moved(Tensor tensor) {
    return Tape.withoutRecording(() -> TensorAccess.share(tensor.to(device)));
  }
}
