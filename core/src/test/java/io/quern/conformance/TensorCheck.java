package io.quern.conformance;

import io.quern.Device;
import io.quern.Tensor;
import io.quern.TensorScope;
import io.quern.op.Op;
import io.quern.op.TensorSpec;
import io.quern.op.View;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Runs a case with tensors, whichever way dispatch finds to compute it. */
public final class TensorCheck {
  private TensorCheck() {}

  /**
   * Checks the case's results, and that its inputs stay as they are.
   *
   * @throws AssertionError if a result is wrong
   */
  static void run(Comparison comparison, Mode mode, Device underTest) {
    OpCase opCase = comparison.opCase();
    try (var _ = TensorScope.open()) {
      Device device = mode.device(underTest);
      List<HostArray> bases = opCase.drawBases();
      List<Tensor> tensors = bases.stream().map(base -> tensor(base, device)).toList();
      List<byte[]> before = tensors.stream().map(Tensor::toByteArray).toList();
      List<Tensor> outputs =
          mode.apply(device, inputs -> apply(opCase, device, seen(opCase, inputs)), tensors);
      comparison.check(mode.toString(), outputs.stream().map(TensorCheck::array).toList());
      for (int i = 0; i < bases.size(); i++) {
        if (!Arrays.equals(before.get(i), tensors.get(i).toByteArray())) {
          throw new AssertionError(opCase + " in mode " + mode + " changes its input " + i);
        }
      }
    }
  }

  /** Applies the op of a case. */
  public static List<Tensor> apply(OpCase opCase, Device device, List<Tensor> inputs) {
    Op op = opCase.op();
    List<TensorSpec> specs = opCase.outputSpecs();
    if (specs.size() == 1) {
      return List.of(Tensor.apply(op, device, inputs.toArray(Tensor[]::new)));
    }
    List<Tensor> outputs = new ArrayList<>();
    for (TensorSpec spec : specs) {
      double rubbish = spec.dtype().isFloat() ? Double.NaN : 1;
      outputs.add(Tensor.full(rubbish, spec.dtype(), device, spec.shape().toArray()));
    }
    Tensor.applyInto(op, inputs, outputs);
    return outputs;
  }

  /** What the op sees of the tensors in memory. */
  static List<Tensor> seen(OpCase opCase, List<Tensor> tensors) {
    List<Tensor> seen = new ArrayList<>();
    for (int i = 0; i < tensors.size(); i++) {
      Tensor tensor = tensors.get(i);
      for (View view : opCase.inputs().get(i).views()) {
        tensor = Tensor.apply(view, tensor);
      }
      seen.add(tensor);
    }
    return seen;
  }

  /** A tensor with these values. */
  public static Tensor tensor(HostArray array, Device device) {
    return Tensor.fromSegment(array.toBytes(), array.dtype(), array.shape()).to(device);
  }

  /** The values of a tensor. */
  public static HostArray array(Tensor tensor) {
    return HostArray.fromBytes(
        tensor.spec(), java.lang.foreign.MemorySegment.ofArray(tensor.toByteArray()));
  }
}
