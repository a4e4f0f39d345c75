package io.quern.reference;

import io.quern.Shape;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.op.CumSum;
import io.quern.op.Sort;
import io.quern.op.TopK;
import java.util.Arrays;
import java.util.Comparator;
import java.util.function.Consumer;
import java.util.stream.IntStream;

/** Running sums and orders, lane by lane along an axis. */
final class ReferenceScan {
  private ReferenceScan() {}

  static Consumer<Operands> cumSum(KernelKey key, CumSum op) {
    Shape shape = key.shape(0);
    int axis = shape.axis(op.axis());
    long length = shape.dim(axis);
    Elements in = Elements.of(key, 0);
    Elements out = Elements.of(key, 1);
    boolean isFloat = in.dtype().isFloat();
    return memory -> {
      Walk lanes = new Walk(shape.with(axis, Math.min(1, length)), in, out);
      for (boolean more = lanes.start(memory); more; more = lanes.next()) {
        double sum = 0;
        long whole = 0;
        for (long i = 0; i < length; i++) {
          long at = op.reverse() ? length - 1 - i : i;
          long from = lanes.address(0) + at * in.stride(axis);
          double before = sum;
          long wholeBefore = whole;
          if (isFloat) {
            sum += in.getDouble(from);
          } else {
            whole += in.getLong(from);
          }
          long to = lanes.address(1) + at * out.stride(axis);
          if (isFloat) {
            out.put(to, op.exclusive() ? before : sum);
          } else {
            out.put(to, op.exclusive() ? wholeBefore : whole);
          }
        }
      }
    };
  }

  static Consumer<Operands> sort(KernelKey key, Sort op) {
    int axis = key.shape(0).axis(op.axis());
    return ordered(key, axis, op.descending(), key.shape(0).dim(axis), true);
  }

  static Consumer<Operands> topK(KernelKey key, TopK op) {
    int axis = key.shape(0).axis(op.axis());
    return ordered(key, axis, op.largest(), op.count(), op.sorted());
  }

  private static Consumer<Operands> ordered(
      KernelKey key, int axis, boolean descending, long count, boolean sorted) {
    Shape shape = key.shape(0);
    int length = shape.intDim(axis);
    Elements in = Elements.of(key, 0);
    Elements values = Elements.of(key, 1);
    Elements indices = Elements.of(key, 2);
    return memory -> {
      Walk lanes = new Walk(shape.with(axis, Math.min(1, length)), in, values, indices);
      for (boolean more = lanes.start(memory); more; more = lanes.next()) {
        long lane = lanes.address(0);
        Comparator<Integer> ascending =
            (i, j) -> compare(in, lane + i * in.stride(axis), lane + j * in.stride(axis));
        int[] order =
            IntStream.range(0, length)
                .boxed()
                .sorted(descending ? ascending.reversed() : ascending)
                .limit(count)
                .mapToInt(Integer::intValue)
                .toArray();
        if (!sorted) {
          Arrays.sort(order);
        }
        for (int i = 0; i < order.length; i++) {
          in.copy(lane + order[i] * in.stride(axis), lanes.address(1) + i * values.stride(axis));
          indices.put(lanes.address(2) + i * indices.stride(axis), (long) order[i]);
        }
      }
    };
  }

  private static int compare(Elements elements, long left, long right) {
    if (!elements.dtype().isFloat()) {
      return elements.compare(elements.getLong(left), elements.getLong(right));
    }
    // Adding 0 makes the zeros equal.
    return Double.compare(elements.getDouble(left) + 0.0, elements.getDouble(right) + 0.0);
  }
}
