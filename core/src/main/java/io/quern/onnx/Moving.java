package io.quern.onnx;

import io.quern.DType;
import io.quern.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BiFunction;

/**
 * Operators that move elements without looking at them. They work on text too, by moving the
 * positions of the texts, and keep element types that have no dtype of their own.
 */
final class Moving {
  private Moving() {}

  /** Applies {@code move} to what input {@code index} of a call holds. */
  static OnnxValue[] apply(Call call, int index, BiFunction<Call, Tensor, Tensor[]> move) {
    return apply(call, call.value(index), move);
  }

  private static OnnxValue[] apply(
      Call call, OnnxValue value, BiFunction<Call, Tensor, Tensor[]> move) {
    return switch (value) {
      case OnnxValue.Dense(Tensor tensor, ElementType type) -> {
        Tensor[] moved = move.apply(call, tensor);
        OnnxValue[] results = new OnnxValue[moved.length];
        for (int i = 0; i < moved.length; i++) {
          results[i] = new OnnxValue.Dense(moved[i], type);
        }
        yield results;
      }
      case OnnxValue.Strings strings -> {
        Tensor positions = Tensor.arange(strings.elements().size(), DType.I64);
        Tensor[] moved = move.apply(call, positions.reshape(strings.shape()));
        OnnxValue[] results = new OnnxValue[moved.length];
        for (int i = 0; i < moved.length; i++) {
          results[i] = at(strings.elements(), moved[i]);
        }
        yield results;
      }
      case OnnxValue.Optional(OnnxValue element) when element != null -> apply(call, element, move);
      default -> throw call.error("must be applied to a tensor, found %s", value.kind());
    };
  }

  /** The texts at these positions. */
  static OnnxValue at(List<String> texts, Tensor positions) {
    List<String> picked = new ArrayList<>();
    for (long position : positions.toLongArray()) {
      picked.add(texts.get((int) position));
    }
    return new OnnxValue.Strings(positions.shape(), picked);
  }

  /** Lists an operator that moves the elements of its first input. */
  static void one(OpTable table, String op, long since, BiFunction<Call, Tensor, Tensor> move) {
    many(table, op, since, (call, x) -> new Tensor[] {move.apply(call, x)});
  }

  /** Lists an operator that moves the elements of its first input to several outputs. */
  static void many(OpTable table, String op, long since, BiFunction<Call, Tensor, Tensor[]> move) {
    table.values(op, since, call -> apply(call, 0, move));
  }
}
