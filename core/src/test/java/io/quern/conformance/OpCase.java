package io.quern.conformance;

import io.quern.op.Composite;
import io.quern.op.Layout;
import io.quern.op.Op;
import io.quern.op.TensorSpec;
import io.quern.op.View;
import io.quern.op.Work;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Collectors;

/**
 * An op with inputs: one object that is a test, a gradient check, a benchmark and an entry of the
 * listing of what is supported.
 *
 * @param name unique among the cases
 * @param inputs the inputs, and how they lie in memory
 * @param tolerance how far a result may be from the exact one
 * @param hasGradient whether the op is differentiable around the inputs' values
 * @param inPlace outputs, by index, that may share the memory of inputs
 */
public record OpCase(
    String name,
    Op op,
    List<Input> inputs,
    Tolerance tolerance,
    boolean hasGradient,
    Map<Integer, Integer> inPlace) {

  /** A case named after its op, its inputs and {@code remark}. */
  public static OpCase of(Op op, Tolerance tolerance, String remark, Input... inputs) {
    String shapes =
        List.of(inputs).stream().map(i -> i.spec().toString()).collect(Collectors.joining(" "));
    String name = String.join(" ", op.name(), shapes, remark).strip().replace(", ", ",");
    return new OpCase(name, op, List.of(inputs), tolerance, false, Map.of());
  }

  /** This case for gradient checks too. */
  public OpCase differentiable() {
    return new OpCase(name, op, inputs, tolerance, true, inPlace);
  }

  /** This case with outputs that may share the memory of inputs. */
  public OpCase inPlace(Map<Integer, Integer> outputToInput) {
    return new OpCase(name, op, inputs, tolerance, hasGradient, outputToInput);
  }

  /** This case with all floats in double precision. */
  public OpCase inDouble() {
    List<Input> doubles = inputs.stream().map(Input::inDouble).toList();
    return new OpCase(name, Oracle.inDouble(op), doubles, tolerance, hasGradient, inPlace);
  }

  /** Whether a backend may have a kernel for it. */
  public boolean mayHaveKernel() {
    return !(op instanceof View);
  }

  /** Whether every backend on host memory has at least the reference kernel. */
  public boolean isPrimitive() {
    return mayHaveKernel() && !(op instanceof Composite);
  }

  /** The tensors in memory, before the views; the same ones each time. */
  public List<HostArray> drawBases() {
    SplittableRandom random = new SplittableRandom(name.hashCode());
    List<HostArray> bases = new ArrayList<>();
    for (Input input : inputs) {
      bases.add(input.draw(random.split()));
    }
    return bases;
  }

  /** What the op sees of {@code bases}. */
  public List<HostArray> through(List<HostArray> bases) {
    List<HostArray> seen = new ArrayList<>();
    for (int i = 0; i < bases.size(); i++) {
      seen.add(inputs.get(i).through(bases.get(i)));
    }
    return seen;
  }

  /** Element types and shapes that the op sees. */
  public List<TensorSpec> inputSpecs() {
    return inputs.stream().map(Input::spec).toList();
  }

  public List<TensorSpec> outputSpecs() {
    return op.infer(inputSpecs());
  }

  /** Layouts of the inputs, then those of the outputs, which are contiguous. */
  public List<Layout> layouts() {
    List<Layout> layouts = new ArrayList<>(inputs.stream().map(Input::layout).toList());
    outputSpecs().forEach(spec -> layouts.add(Layout.contiguous(spec.shape())));
    return layouts;
  }

  /** Floating-point operations, counting one for a function such as exp. */
  public long flops() {
    return Work.flops(op, inputSpecs(), outputSpecs());
  }

  /** Bytes of all inputs and outputs, each element counted once. */
  public long bytes() {
    return Work.bytes(inputSpecs(), outputSpecs());
  }

  @Override
  public String toString() {
    return name;
  }
}
