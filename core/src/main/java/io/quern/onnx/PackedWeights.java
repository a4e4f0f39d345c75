package io.quern.onnx;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.op.BlockMatMul;
import org.jspecify.annotations.Nullable;

/**
 * Weights of 2, 4 or 8 bits in blocks with a scale and a zero point each, as MatMulNBits of
 * com.microsoft has them. Those of 4 and 8 bits stay as they are; others, and those whose zero
 * points are floats, are unpacked once, when the model is read.
 */
final class PackedWeights {
  private final int bits;
  private final int k;
  private final int n;
  private final int block;
  private final int blocks;

  private PackedWeights(Call call) {
    this.bits = (int) call.integer("bits", 4);
    this.k = (int) call.integer("K");
    this.n = (int) call.integer("N");
    this.block = (int) call.integer("block_size");
    if ((bits != 2 && bits != 4 && bits != 8) || block < 16 || k < 0 || n < 0) {
      throw call.error("%d bits, K %d, N %d in blocks of %d", bits, k, n, block);
    }
    this.blocks = (k + block - 1) / block;
  }

  /** {@code a w^T + bias} with w [n, k]. */
  static Tensor matmul(Call call) {
    if (call.has(4)) {
      throw call.error("g_idx is not supported");
    }
    PackedWeights packed = new PackedWeights(call);
    Tensor b = call.known(1);
    Tensor scales = call.known(2);
    Tensor zeros = call.has(3) ? call.known(3) : null;
    Tensor a = call.in(0);
    Tensor product;
    if (packed.isProduct(a, scales, zeros)) {
      product = packed.product(call, a, b, scales, zeros);
    } else {
      Tensor weight = call.atOnce(() -> packed.unpacked(call, b, scales, zeros), b, scales, zeros);
      product = a.matmul(weight.to(a.dtype()));
    }
    return call.has(5) ? product.add(call.in(5)) : product;
  }

  /** Whether there is an op that takes the weights packed. */
  private boolean isProduct(Tensor a, Tensor scales, @Nullable Tensor zeros) {
    return bits >= 4
        && Integer.bitCount(block) == 1
        && scales.dtype() == a.dtype()
        && (zeros == null || zeros.dtype() == DType.U8);
  }

  private Tensor product(Call call, Tensor a, Tensor b, Tensor scales, @Nullable Tensor zeros) {
    requireSizes(call, b, scales);
    Tensor weights = b.reshape(n, blocks, block * bits / 8);
    Tensor perBlock = scales.reshape(n, blocks);
    BlockMatMul op = new BlockMatMul(bits, block);
    if (zeros == null) {
      return Tensor.apply(op, a, weights, perBlock);
    }
    int row = zeroPointBytes();
    if (zeros.size() != (long) n * row) {
      throw call.error("zero points %s do not fit %d rows of %d bytes", zeros.shape(), n, row);
    }
    return Tensor.apply(op, a, weights, perBlock, zeros.reshape(n, row));
  }

  private void requireSizes(Call call, Tensor b, Tensor scales) {
    if (b.size() != (long) n * blocks * block * bits / 8 || scales.size() != (long) n * blocks) {
      throw call.error("weights %s and scales %s do not fit", b.shape(), scales.shape());
    }
  }

  /** Bytes of the packed zero points of a row. */
  private int zeroPointBytes() {
    return (blocks * bits + 7) / 8;
  }

  /** The weights as [k, n]. */
  private Tensor unpacked(Call call, Tensor b, Tensor scales, @Nullable Tensor zeros) {
    requireSizes(call, b, scales);
    byte[] bytes = b.contiguous().toByteArray();
    double[] factors = scales.toDoubleArray();
    int blob = block * bits / 8;
    boolean whole = zeros != null && zeros.dtype().isFloat();
    double[] points = whole ? zeros.toDoubleArray() : new double[0];
    byte[] packedPoints = zeros == null || whole ? new byte[0] : zeros.toByteArray();
    int pointRow = zeroPointBytes();
    float[] weights = new float[Math.multiplyExact(k, n)];
    for (int row = 0; row < n; row++) {
      for (int at = 0; at < k; at++) {
        int group = row * blocks + at / block;
        double point =
            zeros == null
                ? 1 << (bits - 1)
                : whole ? points[group] : element(packedPoints, row * pointRow, at / block);
        int value = element(bytes, group * blob, at % block);
        weights[at * n + row] = (float) ((value - point) * factors[group]);
      }
    }
    return Tensor.of(weights).reshape(Shape.of(k, n));
  }

  /** An element of a packed row, the low bits of a byte first. */
  private int element(byte[] bytes, int start, int index) {
    int bit = index * bits;
    return ((bytes[start + bit / 8] & 0xFF) >> (bit % 8)) & ((1 << bits) - 1);
  }
}
