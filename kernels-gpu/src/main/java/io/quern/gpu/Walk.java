package io.quern.gpu;

import io.quern.op.Layout;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * How one index runs over operands of one shape: dimensions that follow each other in all of them
 * are one. The kernels' {@code Walk} of up to {@value #RANK} dimensions.
 *
 * @param count number of elements
 * @param dims sizes, outermost first
 * @param strides for each operand the elements between neighbours of each dimension
 */
public record Walk(long count, List<Long> dims, List<List<Long>> strides) {
  /** Dimensions that kernels can walk over. */
  static final int RANK = 6;

  /** Operands that kernels can walk over. */
  private static final int OPERANDS = 4;

  /** The walk over layouts of one shape; empty when there are too many dimensions or elements. */
  static Optional<Walk> over(List<Layout> layouts) {
    Layout first = layouts.getFirst();
    List<Long> dims = new ArrayList<>();
    List<List<Long>> strides = new ArrayList<>();
    for (int i = 0; i < layouts.size(); i++) {
      strides.add(new ArrayList<>());
    }
    for (int d = 0; d < first.rank(); d++) {
      long dim = first.shape().dim(d);
      if (dim == 1) {
        continue;
      }
      boolean follows = !dims.isEmpty();
      for (int i = 0; follows && i < layouts.size(); i++) {
        follows = strides.get(i).getLast() == layouts.get(i).stride(d) * dim;
      }
      if (follows) {
        dims.set(dims.size() - 1, dims.getLast() * dim);
      } else {
        dims.add(dim);
      }
      for (int i = 0; i < layouts.size(); i++) {
        if (follows) {
          strides.get(i).removeLast();
        }
        strides.get(i).add(layouts.get(i).stride(d));
      }
    }
    if (dims.isEmpty()) {
      dims.add(1L);
      strides.forEach(each -> each.add(0L));
    }
    Walk walk = new Walk(first.shape().size(), dims, strides);
    return dims.size() <= RANK && walk.count < 1L << 31 ? Optional.of(walk) : Optional.empty();
  }

  /** Number of dimensions. */
  public int rank() {
    return dims.size();
  }

  /** Elements of an operand between neighbours of a dimension. */
  public long stride(int operand, int dim) {
    return strides.get(operand).get(dim);
  }

  /** Elements of an operand between neighbours of the innermost dimension. */
  long innerStride(int operand) {
    return strides.get(operand).getLast();
  }

  /** Whether the strides of the first dimensions, so many, are multiples of four elements. */
  boolean isWide(int operand, int count) {
    boolean wide = true;
    for (int d = 0; d < count; d++) {
      wide &= stride(operand, d) % 4 == 0 || dims.get(d) == 1;
    }
    return wide;
  }

  long innerDim() {
    return dims.getLast();
  }

  /** The numbers of the kernels' struct. */
  public long[] words() {
    long[] words = new long[2 + RANK + OPERANDS * RANK];
    words[0] = count;
    words[1] = rank();
    for (int d = 0; d < rank(); d++) {
      words[2 + d] = dims.get(d);
      for (int i = 0; i < strides.size(); i++) {
        words[2 + RANK + i * RANK + d] = stride(i, d);
      }
    }
    return words;
  }
}
