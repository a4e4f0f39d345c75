package io.quern.plan;

import io.quern.Tensor;
import io.quern.TensorAccess;
import io.quern.backend.Buffer;
import io.quern.backend.Kernel;
import io.quern.op.Layout;
import java.lang.ref.WeakReference;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.WeakHashMap;

/**
 * Captured tensors in the forms in which kernels read them, shared by the plans of one function for
 * all shapes. Thread-safe.
 */
final class PreparedInputs {
  /** Neither the tensors nor their forms are kept from being collected. */
  private final Map<Buffer, Map<Form, WeakReference<Memory.Prepared>>> forms = new WeakHashMap<>();

  private record Form(Layout layout, Kernel packer) {}

  /**
   * Lets steps read prepared forms of tensors that no step writes. Their plan holds each of them,
   * and releases it when it is closed.
   */
  void use(List<Step> steps) {
    Set<Buffer> written = new HashSet<>();
    for (Step step : steps) {
      for (Place output : step.outputs()) {
        if (output.memory() instanceof Memory.Captured captured) {
          written.add(TensorAccess.buffer(captured.tensor()));
        }
      }
    }
    Set<Memory.Prepared> held = new HashSet<>();
    steps.replaceAll(step -> prepared(step, written, held));
  }

  private Step prepared(Step step, Set<Buffer> written, Set<Memory.Prepared> held) {
    Kernel.Prepared prepared = step.kernel().prepared();
    if (prepared == null) {
      return step;
    }
    Place place = step.inputs().get(prepared.input());
    if (!(place.memory() instanceof Memory.Captured captured)
        || written.contains(TensorAccess.buffer(captured.tensor()))) {
      return step;
    }
    List<Place> inputs = new ArrayList<>(step.inputs());
    inputs.set(
        prepared.input(),
        new Place(form(place, captured.tensor(), prepared, held), place.dtype(), place.layout()));
    return new Step(step.op(), prepared.kernel(), inputs, step.outputs());
  }

  private synchronized Memory.Prepared form(
      Place place, Tensor tensor, Kernel.Prepared prepared, Set<Memory.Prepared> held) {
    var ofTensor = forms.computeIfAbsent(TensorAccess.buffer(tensor), key -> new HashMap<>());
    Form form = new Form(place.layout(), prepared.packer());
    WeakReference<Memory.Prepared> known = ofTensor.get(form);
    Memory.Prepared memory = known == null ? null : known.get();
    if (memory != null && (held.contains(memory) || memory.hold())) {
      held.add(memory);
      return memory;
    }
    Memory.Prepared made = new Memory.Prepared(place, prepared.bytes(), prepared.packer());
    made.hold();
    held.add(made);
    ofTensor.put(form, new WeakReference<>(made));
    return made;
  }
}
