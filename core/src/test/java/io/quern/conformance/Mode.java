package io.quern.conformance;

import io.quern.Device;
import io.quern.Quern;
import io.quern.Tensor;
import io.quern.graph.Pass;
import io.quern.plan.Compiled;
import java.util.List;
import java.util.function.Function;

/** How the tensors of a case are computed. */
public enum Mode {
  /** Op by op on the reference device. */
  EAGER_REFERENCE,
  /** Op by op on the device under test. */
  EAGER_BACKEND,
  /** As a plan of the graph as it was traced. */
  PLAN_UNOPTIMISED(new Pass[0]),
  /** As a plan after all passes. */
  PLAN_OPTIMISED(Pass.values());

  private final Pass @org.jspecify.annotations.Nullable [] passes;

  Mode() {
    this.passes = null;
  }

  Mode(Pass[] passes) {
    this.passes = passes;
  }

  /** Where the tensors lie. */
  Device device(Device underTest) {
    return this == EAGER_REFERENCE ? Device.reference() : underTest;
  }

  /** Applies a function of tensors. */
  List<Tensor> apply(
      Device device, Function<List<Tensor>, List<Tensor>> function, List<Tensor> inputs) {
    if (passes == null) {
      return function.apply(inputs);
    }
    Compiled compiled =
        Quern.compile(device, function, inputs.stream().map(Tensor::spec).toList()).with(passes);
    return List.of(compiled.runAll(inputs.toArray(Tensor[]::new)));
  }
}
