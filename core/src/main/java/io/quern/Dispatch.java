package io.quern;

import io.quern.backend.Buffer;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.grad.GradNode;
import io.quern.grad.Tape;
import io.quern.graph.Trace;
import io.quern.op.Composite;
import io.quern.op.Layout;
import io.quern.op.Op;
import io.quern.op.OpBuilder;
import io.quern.op.TensorSpec;
import io.quern.op.View;
import io.quern.reference.HostedKernel;
import io.quern.runtime.Log;
import java.lang.System.Logger.Level;
import java.lang.ref.Reference;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/** Runs ops at once on one device: checks, finds the kernel, provides memory, records the tape. */
final class Dispatch {

  /** Bound for the number of remembered kernels; ever new shapes must not fill the memory. */
  private static final int REMEMBERED = 8192;

  private final Device device;
  private final Map<KernelKey, Resolution> resolutions = new ConcurrentHashMap<>();
  private final Map<String, String> fallbacks = new ConcurrentHashMap<>();

  Dispatch(Device device) {
    this.device = device;
  }

  /** How an op on given layouts is run. */
  private sealed interface Resolution {
    record Direct(Kernel kernel) implements Resolution {}

    record Decomposed(Composite op) implements Resolution {}

    /** Through copies of the inputs in row-major order. */
    record Copied() implements Resolution {}
  }

  Map<String, String> fallbacks() {
    return Map.copyOf(fallbacks);
  }

  /** Runs an op and gives its outputs as new tensors. */
  static Tensor[] run(Op op, Tensor... inputs) {
    return run(op, deviceOf(op, inputs), inputs);
  }

  /** Runs an op that may have no inputs on a device. */
  static Tensor[] run(Op op, Device device, Tensor... inputs) {
    requireOn(device, op, inputs);
    List<TensorSpec> outputs = op.infer(specs(inputs));
    Trace trace = Trace.current();
    Tensor[] results =
        trace != null
            ? trace.record(op, device, inputs, outputs)
            : op instanceof View view
                ? new Tensor[] {view(view, inputs[0])}
                : device.dispatch().compute(op, inputs, outputs, null);
    if (Tape.isRecording()) {
      GradNode.record(op, inputs, results);
    }
    return results;
  }

  /** Runs an op into tensors that exist; nothing is recorded. */
  static void runInto(Op op, Tensor[] inputs, Tensor[] outputs) {
    Device device = deviceOf(op, inputs);
    requireOn(device, op, inputs);
    requireOn(device, op, outputs);
    List<TensorSpec> specs = op.infer(specs(inputs));
    if (op instanceof View || outputs.length != specs.size()) {
      throw new IllegalArgumentException(
          op.name()
              + ": writes "
              + (op instanceof View ? 0 : specs.size())
              + " outputs, found "
              + outputs.length);
    }
    for (int i = 0; i < outputs.length; i++) {
      if (!specs.get(i).equals(outputs[i].spec()) || !outputs[i].layout().isContiguous()) {
        throw new IllegalArgumentException(
            op.name()
                + ": output "
                + i
                + " must be contiguous "
                + specs.get(i)
                + ", found "
                + outputs[i].spec()
                + (outputs[i].layout().isContiguous() ? "" : " as a view"));
      }
    }
    Trace trace = Trace.current();
    if (trace != null) {
      trace.recordInto(op, device, inputs, specs, outputs);
      return;
    }
    try {
      device.dispatch().compute(op, inputs, specs, outputs);
    } finally { // a kernel that fails may have written some elements
      for (Tensor output : outputs) {
        output.storage().written();
      }
    }
  }

  private static Device deviceOf(Op op, Tensor[] inputs) {
    if (inputs.length == 0) {
      throw new IllegalArgumentException(
          op.name() + ": without inputs a device must be named, see Tensor.apply(Op, Device)");
    }
    return inputs[0].device();
  }

  private static void requireOn(Device device, Op op, Tensor[] tensors) {
    for (Tensor tensor : tensors) {
      if (tensor.device() != device) {
        throw new IllegalArgumentException(
            op.name()
                + ": runs on "
                + device
                + ", found a tensor on "
                + tensor.device()
                + "; move one side with to(Device)");
      }
    }
  }

  private static List<TensorSpec> specs(Tensor[] inputs) {
    TensorSpec[] specs = new TensorSpec[inputs.length];
    for (int i = 0; i < inputs.length; i++) {
      specs[i] = inputs[i].spec();
    }
    return Arrays.asList(specs);
  }

  private static Tensor view(View view, Tensor input) {
    if (view instanceof View.Reshape(Shape shape)) {
      Optional<Layout> layout = input.layout().reshape(shape);
      if (layout.isEmpty()) {
        try (Tensor copy = Tape.withoutRecording(input::contiguous)) {
          return copy.alias(view.name(), copy.layout().reshape(shape).orElseThrow());
        }
      }
      return input.alias(view.name(), layout.get());
    }
    return input.alias(view.name(), view.apply(input.layout()));
  }

  private Tensor[] compute(
      Op op, Tensor[] inputs, List<TensorSpec> specs, Tensor @Nullable [] into) {
    if (into == null && specs.stream().allMatch(spec -> spec.shape().size() == 0)) {
      return specs.stream().map(spec -> Tensor.allocate(device, spec)).toArray(Tensor[]::new);
    }
    KernelKey key = key(op, inputs, specs);
    Resolution resolution = resolutions.get(key);
    if (resolution == null) {
      resolution = resolve(key);
      if (resolutions.size() >= REMEMBERED) {
        resolutions.clear();
      }
      resolutions.put(key, resolution);
    }
    return switch (resolution) {
      case Resolution.Direct(Kernel kernel) -> call(op, kernel, inputs, specs, into);
      case Resolution.Decomposed(Composite composite) -> decomposed(composite, inputs, into);
      case Resolution.Copied() -> {
        Tensor[] copies = inputs.clone();
        try {
          for (int i = 0; i < copies.length; i++) {
            copies[i] = Tape.withoutRecording(inputs[i]::contiguous);
          }
          yield compute(op, copies, specs, into);
        } finally {
          for (int i = 0; i < copies.length; i++) {
            if (copies[i] != inputs[i]) {
              copies[i].close("the op that made it");
            }
          }
        }
      }
    };
  }

  private Tensor[] decomposed(Composite op, Tensor[] inputs, Tensor @Nullable [] into) {
    try (TensorScope scope = TensorScope.open("a decomposition")) {
      Tensor result = Tape.withoutRecording(() -> op.decompose(new Eager(device), List.of(inputs)));
      if (into == null) {
        return new Tensor[] {scope.keep(result)};
      }
      into[0].copyFrom(result);
      return into;
    }
  }

  private Resolution resolve(KernelKey key) {
    Optional<Kernel> kernel = device.context().kernel(key);
    if (kernel.isPresent()) {
      return new Resolution.Direct(kernel.get());
    }
    if (!key.isContiguous() && device.context().kernel(contiguous(key)).isPresent()) {
      return new Resolution.Copied();
    }
    if (key.op() instanceof Composite composite) {
      note(key, "its decomposition");
      return new Resolution.Decomposed(composite);
    }
    note(key, "the reference kernel");
    return new Resolution.Direct(HostedKernel.find(key, device.context()).orElseThrow());
  }

  private void note(KernelKey key, String instead) {
    if (fallbacks.size() < REMEMBERED && fallbacks.put(key.toString(), instead) == null) {
      Log.get().log(Level.DEBUG, () -> key + ": no " + device + " kernel, running " + instead);
    }
  }

  /** The same operands in row-major order. */
  static KernelKey contiguous(KernelKey key) {
    DType[] dtypes = new DType[key.operands()];
    Layout[] layouts = new Layout[key.operands()];
    for (int i = 0; i < layouts.length; i++) {
      dtypes[i] = key.dtype(i);
      layouts[i] = Layout.contiguous(key.shape(i));
    }
    return new KernelKey(key.op(), dtypes, layouts, key.inputs());
  }

  static KernelKey key(Op op, Tensor[] inputs, List<TensorSpec> outputs) {
    DType[] dtypes = new DType[inputs.length];
    Layout[] layouts = new Layout[inputs.length];
    for (int i = 0; i < inputs.length; i++) {
      dtypes[i] = inputs[i].dtype();
      layouts[i] = inputs[i].layout();
    }
    return KernelKey.of(op, dtypes, layouts, outputs);
  }

  private Tensor[] call(
      Op op, Kernel kernel, Tensor[] inputs, List<TensorSpec> specs, Tensor @Nullable [] into) {
    int held = 0;
    Tensor[] existing = into == null ? inputs : concat(inputs, into);
    Tensor[] outputs = into == null ? new Tensor[specs.size()] : into;
    boolean done = false;
    try {
      for (; held < existing.length; held++) {
        existing[held].hold(op.name());
      }
      if (into == null) {
        for (int i = 0; i < outputs.length; i++) {
          outputs[i] = Tensor.allocate(device, specs.get(i));
        }
      }
      kernel.run(operands(inputs, outputs));
      done = true;
      return outputs;
    } finally {
      while (--held >= 0) {
        existing[held].unhold();
      }
      if (!done && into == null) {
        closeAll(outputs);
      }
      Reference.reachabilityFence(outputs);
    }
  }

  private static Tensor[] concat(Tensor[] first, Tensor[] second) {
    Tensor[] all = Arrays.copyOf(first, first.length + second.length);
    System.arraycopy(second, 0, all, first.length, second.length);
    return all;
  }

  private static void closeAll(@Nullable Tensor[] tensors) {
    for (Tensor tensor : tensors) {
      if (tensor != null) {
        tensor.close("an op that failed");
      }
    }
  }

  private static Operands operands(Tensor[] inputs, Tensor[] outputs) {
    int count = inputs.length + outputs.length;
    Buffer[] buffers = new Buffer[count];
    long[] offsets = new long[count];
    for (int i = 0; i < count; i++) {
      Tensor tensor = i < inputs.length ? inputs[i] : outputs[i - inputs.length];
      buffers[i] = tensor.storage().buffer();
      offsets[i] = tensor.dtype().byteSize(tensor.layout().offset());
    }
    return new Operands(buffers, offsets);
  }

  /** Runs decompositions at once. */
  private record Eager(Device device) implements OpBuilder<Tensor> {
    @Override
    public Tensor apply(Op op, List<Tensor> inputs) {
      return run(op, device, inputs.toArray(Tensor[]::new))[0];
    }

    @Override
    public TensorSpec spec(Tensor value) {
      return value.spec();
    }
  }

  /** The decomposition of a composite, recorded on the tape. */
  static Tensor decompose(Composite op, Tensor... inputs) {
    return op.decompose(new Eager(deviceOf(op, inputs)), List.of(inputs));
  }
}
