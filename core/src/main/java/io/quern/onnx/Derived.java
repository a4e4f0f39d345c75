package io.quern.onnx;

import io.quern.Tensor;
import io.quern.TensorAccess;
import io.quern.graph.Trace;
import io.quern.onnx.ModelProto.Node;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * What follows from the constants of a model alone, such as floats that are bytes in the file:
 * computed once, and the same tensors in the plans for all shapes. Thread-safe.
 */
final class Derived {
  private final Set<Tensor> constants = new HashSet<>();
  private final IdentityHashMap<Node, Map<List<@Nullable OnnxValue>, OnnxValue[]>> results =
      new IdentityHashMap<>();

  /** Makes a value that was read from the file known as a constant. */
  synchronized void add(OnnxValue value) {
    if (value instanceof OnnxValue.Dense(Tensor tensor, ElementType _)) {
      constants.add(tensor);
    }
  }

  /** What {@code work} gives outside of the trace, from before if {@code from} are constants. */
  synchronized OnnxValue[] of(
      Node node, Supplier<OnnxValue[]> work, List<@Nullable OnnxValue> from) {
    if (Trace.current() == null || !from.stream().allMatch(this::isConstant)) {
      return Trace.outside(work);
    }
    Map<List<@Nullable OnnxValue>, OnnxValue[]> known =
        results.computeIfAbsent(node, _ -> new HashMap<>());
    OnnxValue[] values = known.get(from);
    if (values == null) {
      values = Arrays.stream(Trace.outside(work)).map(Derived::kept).toArray(OnnxValue[]::new);
      Arrays.stream(values).forEach(this::add);
      known.put(from, values);
    }
    return values;
  }

  private boolean isConstant(@Nullable OnnxValue value) {
    return value == null
        || (value instanceof OnnxValue.Dense(Tensor tensor, ElementType _)
            && constants.contains(tensor));
  }

  private static OnnxValue kept(OnnxValue value) {
    return value instanceof OnnxValue.Dense(Tensor tensor, ElementType type)
        ? new OnnxValue.Dense(TensorAccess.share(tensor), type)
        : value;
  }
}
