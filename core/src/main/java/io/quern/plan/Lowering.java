package io.quern.plan;

import io.quern.DType;
import io.quern.Device;
import io.quern.TensorAccess;
import io.quern.backend.Buffer;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.graph.Graph;
import io.quern.graph.Node;
import io.quern.graph.Value;
import io.quern.op.Cast;
import io.quern.op.Composite;
import io.quern.op.Layout;
import io.quern.op.Op;
import io.quern.op.OpBuilder;
import io.quern.op.TensorSpec;
import io.quern.op.View;
import io.quern.reference.HostedKernel;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Turns the ops of a graph into kernels on memory: views become layouts, composites without a
 * kernel their decomposition, and operands that a kernel cannot read are copied.
 */
final class Lowering implements OpBuilder<Place> {
  private final Device device;
  private final List<Step> steps = new ArrayList<>();
  private final List<String> fallbacks = new ArrayList<>();
  private final Map<Value, Place> places = new HashMap<>();
  private final Map<Buffer, Memory.Captured> captured = new HashMap<>();
  private final List<Memory.Host> hosts = new ArrayList<>();

  Lowering(Graph graph) {
    this.device = graph.device();
    for (Node node : graph.nodes()) {
      List<Place> results = apply(node.op(), node.inputs().stream().map(this::place).toList(), 0);
      for (int i = 0; i < results.size(); i++) {
        places.put(node.result(i), results.get(i));
      }
    }
  }

  List<Step> steps() {
    return steps;
  }

  /** Ops that run on a reference kernel. */
  List<String> fallbacks() {
    return fallbacks;
  }

  List<Memory.Host> hosts() {
    return hosts;
  }

  /** Where a value of the graph lies. */
  Place place(Value value) {
    return places.computeIfAbsent(value, this::source);
  }

  private Place source(Value value) {
    return switch (value) {
      case Value.Input(int index, TensorSpec spec) ->
          Place.contiguous(new Memory.Argument(index, spec.byteSize()), spec);
      case Value.Host host -> {
        Memory.Host memory = new Memory.Host(host.spec(), host.source());
        hosts.add(memory);
        yield Place.contiguous(memory, host.spec());
      }
      case Value.Captured constant -> {
        Memory memory =
            captured.computeIfAbsent(
                TensorAccess.buffer(constant.tensor()),
                buffer -> new Memory.Captured(constant.tensor()));
        yield new Place(memory, constant.tensor().dtype(), constant.tensor().layout());
      }
      case Value.Result result ->
          throw new IllegalStateException("plan: " + result.node().op() + " was not lowered");
    };
  }

  /** Moves all values of a memory that starts where its values do. */
  void move(Memory old, Memory memory) {
    places.replaceAll((value, place) -> place.moved(old, memory, 0));
  }

  @Override
  public Place apply(Op op, List<Place> inputs) {
    return apply(op, inputs, 1).getFirst();
  }

  @Override
  public TensorSpec spec(Place value) {
    return value.spec();
  }

  private List<Place> apply(Op op, List<Place> inputs, int depth) {
    if (op instanceof View view) {
      return List.of(view(view, inputs.getFirst()));
    }
    List<TensorSpec> outputs = op.infer(inputs.stream().map(Place::spec).toList());
    Optional<Kernel> kernel = device.context().kernel(key(op, inputs, outputs));
    if (kernel.isPresent()) {
      return add(op, kernel.get(), inputs, outputs);
    }
    if (!inputs.stream().allMatch(place -> place.layout().isContiguous())) {
      List<Place> packed = inputs.stream().map(Lowering::packed).toList();
      if (device.context().kernel(key(op, packed, outputs)).isPresent()) {
        return apply(op, inputs.stream().map(this::contiguous).toList(), depth);
      }
    }
    if (op instanceof Composite composite) {
      return List.of(composite.decompose(this, inputs));
    }
    KernelKey key = key(op, inputs, outputs);
    fallbacks.add(key.toString());
    return add(op, HostedKernel.find(key, device.context()).orElseThrow(), inputs, outputs);
  }

  private List<Place> add(Op op, Kernel kernel, List<Place> inputs, List<TensorSpec> specs) {
    List<Place> outputs =
        specs.stream()
            .map(spec -> Place.contiguous(new Memory.Temporary(spec.byteSize()), spec))
            .toList();
    if (specs.stream().anyMatch(spec -> spec.shape().size() > 0)) {
      steps.add(new Step(op, kernel, inputs, outputs));
    }
    return outputs;
  }

  private Place view(View view, Place input) {
    if (view instanceof View.Reshape(var shape) && input.layout().reshape(shape).isEmpty()) {
      return view(view, contiguous(input));
    }
    return new Place(input.memory(), input.dtype(), view.apply(input.layout()));
  }

  /** The value in row-major order, copied if it lies otherwise. */
  Place contiguous(Place place) {
    return place.layout().isContiguous() ? place : copy(place);
  }

  /** A copy of the value in memory of its own. */
  Place copy(Place place) {
    return apply(new Cast(place.dtype()), List.of(place));
  }

  /** The step that copies a value to a place; it is not among the steps. */
  Step copyStep(Place from, Place to) {
    copy(from);
    Step copy = steps.removeLast();
    return new Step(copy.op(), copy.kernel(), copy.inputs(), List.of(to));
  }

  private static Place packed(Place place) {
    return new Place(place.memory(), place.dtype(), Layout.contiguous(place.layout().shape()));
  }

  private static KernelKey key(Op op, List<Place> inputs, List<TensorSpec> outputs) {
    return KernelKey.of(
        op,
        inputs.stream().map(Place::dtype).toArray(DType[]::new),
        inputs.stream().map(Place::layout).toArray(Layout[]::new),
        outputs);
  }
}
