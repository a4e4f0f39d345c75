package io.quern.onnx;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.TensorAccess;
import io.quern.graph.Trace;
import io.quern.op.Reduce;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Sums of products of bytes, exact: as sums of floats where all of them are integers that a float
 * holds.
 */
final class IntegerProducts {
  /** Integers below this are floats. */
  private static final double EXACT = 1 << 24;

  /** The largest difference of two bytes of one type. */
  private static final double BYTE = 255;

  private IntegerProducts() {}

  /** Bytes without their zero point, as F32. */
  static Tensor centred(Tensor bytes, @Nullable Tensor zero) {
    Tensor floats = bytes.to(DType.F32);
    return zero == null ? floats : floats.sub(zero.to(DType.F32));
  }

  /** The operands of an {@link io.quern.op.IntegerMatMul}; null when it does not take them. */
  static Tensor @Nullable [] operands(
      Tensor a, @Nullable Tensor zeroA, Tensor b, @Nullable Tensor zeroB) {
    boolean fits =
        a.rank() > 1
            && b.rank() > 1
            && (zeroA == null || zeroA.size() == 1)
            && (zeroB == null || zeroB.rank() < 2);
    return fits ? new Tensor[] {a, zero(a, zeroA), b, zeroB == null ? zero(b, null) : zeroB} : null;
  }

  private static Tensor zero(Tensor bytes, @Nullable Tensor zero) {
    return zero == null
        ? Call.full(0, bytes.dtype(), Shape.scalar())
        : zero.reshape(Shape.scalar());
  }

  /** The product of centred matrices as I32: over so many elements at a time as stay exact. */
  static Tensor matmul(Tensor left, Tensor right) {
    int axis = Math.max(0, right.rank() - 2);
    long k = right.dim(axis);
    long step = isExact(right, List.of(axis)) ? Math.max(1, k) : (long) (EXACT / (BYTE * BYTE));
    Tensor sum = null;
    for (long from = 0; sum == null || from < k; from += step) {
      long to = Math.min(k, from + step);
      Tensor part =
          MatMulOps.matmul(left.slice(-1, from, to), right.slice(axis, from, to)).to(DType.I32);
      sum = sum == null ? part : sum.add(part);
    }
    return sum;
  }

  /** The convolution of a centred image as floats that hold it exactly. */
  static Tensor conv(Call call, Tensor image, Tensor weight) {
    List<Integer> axes = IntStream.range(1, weight.rank()).boxed().toList();
    DType wide = isExact(weight, axes) ? DType.F32 : DType.F64;
    return ConvOps.conv(call, image.to(wide), weight.to(wide), null);
  }

  /** Whether sums of products with these weights over some axes are floats. */
  private static boolean isExact(Tensor weights, List<Integer> axes) {
    long count = axes.stream().mapToLong(weights::dim).reduce(1, (a, b) -> a * b);
    if (BYTE * BYTE * count < EXACT) {
      return true;
    }
    return !TensorAccess.isTraced(weights)
        && Trace.outside(
            () -> {
              Tensor sums = Tensor.apply(new Reduce(Reduce.Fn.SUM, axes, false), weights.abs());
              return BYTE * sums.max().item() < EXACT;
            });
  }
}
