package io.quern;

import io.quern.backend.Buffer;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.grad.GradNode;
import io.quern.grad.Tape;
import io.quern.op.Composite;
import io.quern.op.Layout;
import io.quern.op.Op;
import io.quern.op.OpBuilder;
import io.quern.op.TensorSpec;
import io.quern.op.View;
import io.quern.reference.ReferenceKernels;
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
  private static final System.Logger LOG = System.getLogger("io.quern");

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
    List<TensorSpec> outputs = op.infer(specs(inputs));
    Tensor[] results =
        op instanceof View view
            ? new Tensor[] {view(view, inputs[0])}
            : device.dispatch().compute(op, inputs, outputs, null);
    if (Tape.isRecording()) {
      GradNode.record(op, inputs, results);
    }
    return results;
  }

  /** Runs an op into tensors that exist; nothing is recorded. */
  static void runInto(Op op, Tensor[] inputs, Tensor[] outputs) {
    List<TensorSpec> specs = op.infer(specs(inputs));
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
    Device device = deviceOf(op, inputs);
    if (outputs[0].device() != device) {
      throw new IllegalArgumentException(
          op.name() + ": inputs are on " + device + ", outputs on " + outputs[0].device());
    }
    device.dispatch().compute(op, inputs, specs, outputs);
  }

  private static Device deviceOf(Op op, Tensor[] inputs) {
    Device device = inputs[0].device();
    for (Tensor input : inputs) {
      if (input.device() != device) {
        throw new IllegalArgumentException(
            op.name()
                + ": inputs are on "
                + device
                + " and "
                + input.device()
                + "; move one side with to(Device)");
      }
    }
    return device;
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
          return copy.alias(copy.layout().reshape(shape).orElseThrow());
        }
      }
      return input.alias(layout.get());
    }
    return input.alias(view.apply(input.layout()));
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
      case Resolution.Direct(Kernel kernel) -> call(kernel, inputs, specs, into);
      case Resolution.Decomposed(Composite composite) ->
          store(
              Tape.withoutRecording(() -> composite.decompose(new Eager(device), List.of(inputs))),
              into);
      case Resolution.Copied() -> {
        Tensor[] copies = inputs.clone();
        for (int i = 0; i < copies.length; i++) {
          copies[i] = Tape.withoutRecording(inputs[i]::contiguous);
        }
        Tensor[] results = compute(op, copies, specs, into);
        for (int i = 0; i < copies.length; i++) {
          if (copies[i] != inputs[i]) {
            copies[i].close();
          }
        }
        yield results;
      }
    };
  }

  private static Tensor[] store(Tensor result, Tensor @Nullable [] into) {
    if (into == null) {
      return new Tensor[] {result};
    }
    into[0].copyFrom(result);
    result.close();
    return into;
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
    if (device.context().isHostMemory()) {
      note(key, "the reference kernel");
      return new Resolution.Direct(ReferenceKernels.find(key).orElseThrow());
    }
    throw new UnsupportedOperationException(
        key + ": no kernel on " + device + "; move the inputs to the CPU with to(Device.cpu())");
  }

  private void note(KernelKey key, String instead) {
    if (fallbacks.size() < REMEMBERED && fallbacks.put(key.toString(), instead) == null) {
      LOG.log(Level.DEBUG, () -> key + ": no " + device + " kernel, running " + instead);
    }
  }

  private static KernelKey contiguous(KernelKey key) {
    DType[] dtypes = new DType[key.operands()];
    Layout[] layouts = new Layout[key.operands()];
    for (int i = 0; i < layouts.length; i++) {
      dtypes[i] = key.dtype(i);
      layouts[i] = Layout.contiguous(key.shape(i));
    }
    return new KernelKey(key.op(), dtypes, layouts, key.inputs());
  }

  private static KernelKey key(Op op, Tensor[] inputs, List<TensorSpec> outputs) {
    DType[] dtypes = new DType[inputs.length + outputs.size()];
    Layout[] layouts = new Layout[dtypes.length];
    for (int i = 0; i < inputs.length; i++) {
      dtypes[i] = inputs[i].dtype();
      layouts[i] = inputs[i].layout();
    }
    for (int i = 0; i < outputs.size(); i++) {
      dtypes[inputs.length + i] = outputs.get(i).dtype();
      layouts[inputs.length + i] = Layout.contiguous(outputs.get(i).shape());
    }
    return new KernelKey(op, dtypes, layouts, inputs.length);
  }

  private Tensor[] call(
      Kernel kernel, Tensor[] inputs, List<TensorSpec> specs, Tensor @Nullable [] into) {
    int held = 0;
    Tensor[] outputs = into == null ? new Tensor[specs.size()] : into;
    boolean done = false;
    try {
      for (; held < inputs.length; held++) {
        inputs[held].hold(kernel.name());
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
        inputs[held].unhold();
      }
      if (!done && into == null) {
        closeAll(outputs);
      }
      Reference.reachabilityFence(outputs);
    }
  }

  private static void closeAll(@Nullable Tensor[] tensors) {
    for (Tensor tensor : tensors) {
      if (tensor != null) {
        tensor.close();
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
    return op.decompose(new Eager(inputs[0].device()), List.of(inputs));
  }
}
