package io.quern.reference;

import io.quern.Shape;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import java.util.function.Consumer;

/** Matrix products: rows of the result are sums of multiples of rows of the right matrix. */
final class ReferenceMatMul {
  /** Rows of the result that are summed up at a time. */
  private static final int BLOCK = 64;

  private final Elements left;
  private final Elements right;
  private final Elements out;

  /** Batch dimensions, which broadcast; the last two of each side keep their own sizes. */
  private final Shape batch;

  private final long rows;
  private final long inner;
  private final int columns;

  private ReferenceMatMul(KernelKey key) {
    Shape shape = key.shape(2);
    this.batch = shape.slice(0, shape.rank() - 2);
    this.left = Elements.broadcast(key, 0, batch.concat(lastTwo(key.shape(0))));
    this.right = Elements.broadcast(key, 1, batch.concat(lastTwo(key.shape(1))));
    this.out = Elements.of(key, 2);
    this.rows = shape.dim(-2);
    this.inner = key.shape(0).dim(-1);
    this.columns = Math.toIntExact(shape.dim(-1));
  }

  static Consumer<Operands> matMul(KernelKey key) {
    ReferenceMatMul product = new ReferenceMatMul(key);
    boolean isFloat = key.dtype(0).isFloat();
    return memory -> {
      Walk walk = new Walk(product.batch, product.left, product.right, product.out);
      for (boolean more = walk.start(memory); more; more = walk.next()) {
        for (long first = 0; first < product.rows; first += BLOCK) {
          int count = (int) Math.min(BLOCK, product.rows - first);
          long l = at(product.left, walk.address(0), first, 0);
          long o = at(product.out, walk.address(2), first, 0);
          if (isFloat) {
            product.floats(l, walk.address(1), o, count);
          } else {
            product.integers(l, walk.address(1), o, count);
          }
        }
      }
    };
  }

  private void floats(long l, long r, long o, int count) {
    double[][] sums = new double[count][columns];
    double[] row = new double[columns];
    for (long k = 0; k < inner; k++) {
      for (int j = 0; j < columns; j++) {
        row[j] = right.getDouble(at(right, r, k, j));
      }
      for (int i = 0; i < count; i++) {
        addProducts(sums[i], left.getDouble(at(left, l, i, k)), row);
      }
    }
    for (int i = 0; i < count; i++) {
      for (int j = 0; j < columns; j++) {
        out.put(at(out, o, i, j), sums[i][j]);
      }
    }
  }

  private static void addProducts(double[] sums, double factor, double[] row) {
    for (int j = 0; j < sums.length; j++) {
      sums[j] = Math.fma(factor, row[j], sums[j]);
    }
  }

  private void integers(long l, long r, long o, int count) {
    long[][] sums = new long[count][columns];
    long[] row = new long[columns];
    for (long k = 0; k < inner; k++) {
      for (int j = 0; j < columns; j++) {
        row[j] = right.getLong(at(right, r, k, j));
      }
      for (int i = 0; i < count; i++) {
        addProducts(sums[i], left.getLong(at(left, l, i, k)), row);
      }
    }
    for (int i = 0; i < count; i++) {
      for (int j = 0; j < columns; j++) {
        out.put(at(out, o, i, j), sums[i][j]);
      }
    }
  }

  private static void addProducts(long[] sums, long factor, long[] row) {
    for (int j = 0; j < sums.length; j++) {
      sums[j] += factor * row[j];
    }
  }

  private static long at(Elements matrix, long address, long row, long column) {
    int rank = matrix.rank();
    return address + row * matrix.stride(rank - 2) + column * matrix.stride(rank - 1);
  }

  private static Shape lastTwo(Shape shape) {
    return shape.slice(shape.rank() - 2, shape.rank());
  }
}
