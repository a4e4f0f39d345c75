package io.quern.op;

import io.quern.DType;
import io.quern.Shape;
import java.util.List;

/**
 * Product with weights that are integers of few bits, in blocks with a scale and a zero point each:
 * {@code a w^T} with {@code w = (q - zero) scale}. Inputs:
 *
 * <ul>
 *   <li>a [.., m, k], floats;
 *   <li>q, U8 [n, blocks, block * bits / 8]: rows of w, the low bits of a byte first; what the last
 *       block of a row has beyond k does not count;
 *   <li>scales [n, blocks], floats of the dtype of a;
 *   <li>zero points, when given, U8 [n, bytes]: a row's packed like q, as many bytes as they take;
 *       without them all are 2^(bits - 1).
 * </ul>
 *
 * <p>Output: [.., m, n]. The layout is that of MatMulNBits of com.microsoft.
 *
 * <p>Blocks of GGUF are such sums, too, but lie in another way: the scale in F16 ahead of the bytes
 * of each block of 32; Q4_0 has the first 16 elements in the low halves of its bytes and the other
 * 16 in the high ones, less 8, Q8_0 has I8. They are further values of an enum of formats that
 * would take the place of {@code bits}, with blocks of 18 or 34 bytes in q and no other inputs
 * behind it; {@link #infer} and {@link #decompose} ask the format for the bytes of a block and for
 * its numbers.
 *
 * @param bits 4 or 8
 * @param block elements that share a scale, a power of two from 16 on
 */
public record BlockMatMul(int bits, int block) implements Composite {
  /** Halves of a byte differ by this factor. */
  private static final double HALF = 16;

  @Override
  public String name() {
    return "block_matmul";
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.require(bits == 4 || bits == 8, name(), "takes 4 or 8 bits, found %d", bits);
    OpCheck.require(
        block >= 16 && Integer.bitCount(block) == 1,
        name(),
        "needs blocks of a power of two from 16 on, found %d",
        block);
    OpCheck.inputCount(name(), inputs, 3, 4);
    TensorSpec a = inputs.get(0);
    TensorSpec weights = inputs.get(1);
    OpCheck.floating(name(), a);
    OpCheck.require(a.shape().rank() >= 2, name(), "needs a of rank 2 or more, found %s", a);
    OpCheck.rank(name(), "the weights", weights, 3);
    bytes("the weights", weights);
    long n = weights.shape().dim(0);
    long blocks = (a.shape().dim(-1) + block - 1) / block;
    Shape packed = Shape.of(n, blocks, packedBytes(block));
    OpCheck.shape(name(), "the weights", weights.shape(), packed);
    OpCheck.sameDType(name(), List.of(a, inputs.get(2)));
    OpCheck.shape(name(), "the scales", inputs.get(2).shape(), Shape.of(n, blocks));
    if (inputs.size() == 4) {
      bytes("the zero points", inputs.get(3));
      Shape points = Shape.of(n, packedBytes(blocks));
      OpCheck.shape(name(), "the zero points", inputs.get(3).shape(), points);
    }
    return List.of(a.with(a.shape().with(-1, n)));
  }

  private void bytes(String role, TensorSpec found) {
    OpCheck.require(found.dtype() == DType.U8, name(), "%s must be U8, found %s", role, found);
  }

  /** Bytes of so many packed numbers. */
  private long packedBytes(long count) {
    return (count * bits + 7) / 8;
  }

  @Override
  public <T> T decompose(OpBuilder<T> builder, List<T> inputs) {
    T a = inputs.get(0);
    T scales = inputs.get(2);
    long n = builder.spec(scales).shape().dim(0);
    long blocks = builder.spec(scales).shape().dim(1);
    Op perBlock = new View.Reshape(Shape.of(n, blocks, 1));
    T numbers = unpacked(builder, inputs.get(1), scales);
    T zero =
        inputs.size() == 3
            ? builder.constant(scales, 1 << (bits - 1))
            : builder.apply(
                perBlock,
                builder.apply(
                    new View.Slice(1, 0, blocks, 1), unpacked(builder, inputs.get(3), scales)));
    T centred = builder.apply(new Binary(Binary.Fn.SUB), numbers, zero);
    T scaled = builder.apply(new Binary(Binary.Fn.MUL), centred, builder.apply(perBlock, scales));
    T rows = builder.apply(new View.Reshape(Shape.of(n, blocks * block)), scaled);
    long k = builder.spec(a).shape().dim(-1);
    T weights = builder.apply(new View.Slice(1, 0, k, 1), rows);
    T turned = builder.apply(new View.Permute(List.of(1, 0)), weights);
    return builder.apply(new MatMul(), a, turned);
  }

  /** The numbers in the last dimension, which floats of any dtype hold exactly. */
  private <T> T unpacked(OpBuilder<T> builder, T packed, T like) {
    T bytes = builder.apply(new Cast(builder.spec(like).dtype()), packed);
    if (bits == 8) {
      return bytes;
    }
    Op mul = new Binary(Binary.Fn.MUL);
    Shape shape = builder.spec(packed).shape();
    T parts = builder.apply(mul, bytes, builder.constant(bytes, 1 / HALF));
    T high = builder.apply(new Unary(Unary.Fn.FLOOR), parts);
    T highPart = builder.apply(mul, high, builder.constant(bytes, HALF));
    T low = builder.apply(new Binary(Binary.Fn.SUB), bytes, highPart);
    Op alone = new View.Reshape(shape.concat(Shape.of(1)));
    T pairs =
        builder.apply(
            new Concat(shape.rank()), builder.apply(alone, low), builder.apply(alone, high));
    return builder.apply(new View.Reshape(shape.with(-1, 2 * shape.dim(-1))), pairs);
  }
}
