package io.quern.cpu.fused;

import io.quern.backend.KernelKey;
import io.quern.op.Layout;
import java.util.Arrays;

/**
 * How a chain walks over its operands: dimensions that follow each other in all of them are one,
 * and the innermost one is what a loop runs over. Strides in bytes, the output's last. Immutable.
 */
final class Iteration {
  private final long[] dims;
  private final long[][] strides;

  /** The walk over the operands of {@code key}, all of 4 bytes. */
  Iteration(KernelKey key) {
    int rank = key.output().rank();
    Layout[] layouts = new Layout[key.operands()];
    for (int i = 0; i < layouts.length; i++) {
      layouts[i] = key.layout(i).expand(key.output().shape());
    }
    long[] merged = new long[Math.max(1, rank)];
    long[][] steps = new long[layouts.length][merged.length];
    int count = 0;
    merged[0] = 1;
    for (int d = 0; d < rank; d++) {
      long dim = key.output().shape().dim(d);
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

  /** Number of runs. */
  long runs() {
    long runs = 1;
    for (int d = 0; d < dims.length - 1; d++) {
      runs *= dims[d];
    }
    return runs;
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
