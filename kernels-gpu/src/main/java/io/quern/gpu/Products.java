package io.quern.gpu;

import io.quern.Shape;
import io.quern.backend.KernelKey;
import io.quern.op.Layout;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * What a batch of products of matrices, [m, k] times [k, n], is made of.
 *
 * @param batch how the matrices of both operands follow each other
 * @param aRow elements between rows of the first matrices
 * @param aColumn elements between their columns
 * @param bRow elements between rows of the second matrices
 * @param bColumn elements between their columns
 */
public record Products(
    long m, long n, long k, Walk batch, long aRow, long aColumn, long bRow, long bColumn) {
  /** The most blocks in the last dimension of a grid. */
  static final int BATCH = 65535;

  /** The products of a MatMul; empty when they are too many or too large. */
  public static Optional<Products> of(KernelKey key) {
    return of(key, List.of());
  }

  /**
   * The products of the first two operands.
   *
   * @param addends layouts of the output's shape that the walk goes over as well, up to two
   */
  static Optional<Products> of(KernelKey key, List<Layout> addends) {
    Shape output = key.output().shape();
    Shape leading = output.slice(0, output.rank() - 2);
    boolean fits =
        output.dim(-2) < 1 << 30 && output.dim(-1) < 1 << 30 && key.shape(0).dim(-1) < 1 << 30;
    List<Layout> firsts = new ArrayList<>();
    firsts.add(firsts(key.layout(0), leading));
    firsts.add(firsts(key.layout(1), leading));
    addends.forEach(each -> firsts.add(firsts(each, leading)));
    return fits && leading.size() <= BATCH
        ? Walk.over(firsts).map(walk -> of(key.layout(0), key.layout(1), addends, walk))
        : Optional.empty();
  }

  private static Products of(Layout a, Layout b, List<Layout> addends, Walk walk) {
    long rows = a.shape().dim(-2);
    long aRow = a.stride(-2);
    // Matrices below each other, all times one b, are one matrix.
    boolean isOne = walk.rank() == 1 && walk.stride(1, 0) == 0 && walk.stride(0, 0) == rows * aRow;
    for (int i = 0; i < addends.size(); i++) {
      isOne &= walk.stride(2 + i, 0) == rows * addends.get(i).stride(-2);
    }
    return new Products(
        isOne ? walk.count() * rows : rows,
        b.shape().dim(-1),
        a.shape().dim(-1),
        isOne ? Walk.over(List.of(scalar(), scalar())).orElseThrow() : walk,
        aRow,
        a.stride(-1),
        b.stride(-2),
        b.stride(-1));
  }

  private static Layout scalar() {
    return Layout.contiguous(Shape.of());
  }

  /** The first elements of the matrices. */
  static Layout firsts(Layout matrices, Shape leading) {
    int rank = matrices.rank();
    Layout first = matrices.slice(rank - 2, 0, 1, 1).slice(rank - 1, 0, 1, 1);
    return first.expand(leading.concat(Shape.of(1, 1)));
  }

  /** Number of results. */
  public long count() {
    return batch.count() * m * n;
  }
}
