package io.quern.cpu.fused;

import io.quern.Shape;
import io.quern.op.Layout;
import java.util.Arrays;

/**
 * How a chain walks over its operands: dimensions that follow each other in all of them are one,
 * and the innermost one is what a loop runs over. Strides in bytes. Immutable.
 */
final class Iteration {
  private final long[] dims;
  private final long[][] strides;

  /** The walk over operands of 4 bytes an element, broadcast to {@code shape}. */
  Iteration(Layout[] operands, Shape shape) {
    int rank = shape.rank();
    Layout[] layouts = new Layout[operands.length];
    for (int i = 0; i < layouts.length; i++) {
      layouts[i] = operands[i].expand(shape);
    }
    long[] merged = new long[Math.max(1, rank)];
    long[][] steps = new long[layouts.length][merged.length];
    int count = 0;
    merged[0] = 1;
    for (int d = 0; d < rank; d++) {
      long dim = shape.dim(d);
      if (dim == 1) {
        continue;
      }
      boolean follows = count > 0;
      for (int i = 0; follows && i < layouts.length; i++) {
        follows = steps[i][count - 1] == 4 * layouts[i].stride(d) * dim;
      }
      count = follows ? count : count + 1;
      merged[count - 1] = follows ? merged[count - 1] * dim : dim;
      for (int i = 0; i < layouts.length; i++) {
        steps[i][count - 1] = 4 * layouts[i].stride(d);
      }
    }
    int kept = Math.max(1, count);
    dims = Arrays.copyOf(merged, kept);
    strides = new long[layouts.length][];
    for (int i = 0; i < strides.length; i++) {
      strides[i] = Arrays.copyOf(steps[i], kept);
    }
  }

  /** Elements of a run: the size of the innermost dimension. */
  long inner() {
    return dims[dims.length - 1];
  }

  /** Bytes from an element of an operand to the next within a run. */
  long innerStride(int operand) {
    return strides[operand][dims.length - 1];
  }

  /** Bytes from the start of an operand to its first element of a run. */
  long offset(int operand, long run) {
    long offset = 0;
    long rest = run;
    for (int d = dims.length - 2; d >= 0; d--) {
      long next = rest / dims[d];
      offset += (rest - next * dims[d]) * strides[operand][d];
      rest = next;
    }
    return offset;
  }
}
