package io.quern.reference;

import io.quern.Shape;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import java.util.function.Consumer;

/** Matrix products as three nested loops. */
final class ReferenceMatMul {
  private ReferenceMatMul() {}

  static Consumer<Operands> matMul(KernelKey key) {
    Shape shape = key.shape(2);
    int rank = shape.rank();
    Shape batch = shape.slice(0, rank - 2);
    long inner = key.shape(0).dim(-1);
    // The batch dimensions broadcast; the last two of each side keep their own sizes.
    Elements left = Elements.broadcast(key, 0, batch.concat(lastTwo(key.shape(0))));
    Elements right = Elements.broadcast(key, 1, batch.concat(lastTwo(key.shape(1))));
    Elements out = Elements.of(key, 2);
    // Element [i, j] stands at row i of the left and column j of the right matrix.
    Elements rows = left.still(rank - 1);
    Elements columns = right.still(rank - 2);
    long leftStep = left.stride(rank - 1);
    long rightStep = right.stride(rank - 2);
    boolean isFloat = key.dtype(0).isFloat();
    return memory -> {
      Walk walk = new Walk(shape, rows, columns, out);
      for (boolean more = walk.start(memory); more; more = walk.next()) {
        long l = walk.address(0);
        long r = walk.address(1);
        if (isFloat) {
          double sum = 0;
          for (long k = 0; k < inner; k++) {
            sum = Math.fma(left.getDouble(l), right.getDouble(r), sum);
            l += leftStep;
            r += rightStep;
          }
          out.put(walk.address(2), sum);
        } else {
          long sum = 0;
          for (long k = 0; k < inner; k++) {
            sum += left.getLong(l) * right.getLong(r);
            l += leftStep;
            r += rightStep;
          }
          out.put(walk.address(2), sum);
        }
      }
    };
  }

  private static Shape lastTwo(Shape shape) {
    return shape.slice(shape.rank() - 2, shape.rank());
  }
}
