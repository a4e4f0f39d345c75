package io.quern.op;

import io.quern.DType;
import java.util.List;

/**
 * How floats become bytes: {@code clamp(round(x) + zero, low, high)}, halves rounded to even.
 *
 * @param dtype U8 or I8
 * @param zero the byte that stands for 0
 * @param low the least result; a rectifier is one that is {@code zero}
 * @param high the largest result
 */
public record Quantization(DType dtype, int zero, int low, int high) {
  public Quantization {
    int least = least(dtype);
    if ((dtype != DType.U8 && dtype != DType.I8)
        || Math.min(zero, low) < least
        || Math.max(zero, high) > least + 255
        || low > high) {
      throw new IllegalArgumentException(
          "quantization: zero %d and limits %d to %d do not fit %s"
              .formatted(zero, low, high, dtype));
    }
  }

  /** All values of a dtype. */
  public static Quantization of(DType dtype, int zero) {
    return new Quantization(dtype, zero, least(dtype), least(dtype) + 255);
  }

  private static int least(DType dtype) {
    return dtype == DType.I8 ? -128 : 0;
  }

  /** The bytes of F32 values. */
  <T> T apply(OpBuilder<T> builder, T x) {
    T rounded = builder.apply(new Unary(Unary.Fn.ROUND), x);
    T moved = builder.apply(new Binary(Binary.Fn.ADD), rounded, builder.constant(x, zero));
    T above = builder.apply(new Binary(Binary.Fn.MAX), moved, builder.constant(x, low));
    T within = builder.apply(new Binary(Binary.Fn.MIN), above, builder.constant(x, high));
    return builder.apply(new Cast(dtype), List.of(within));
  }

  /** Bytes less what stands for 0, as F32. */
  static <T> T centred(OpBuilder<T> builder, T bytes, int zero) {
    T floats = builder.apply(new Cast(DType.F32), List.of(bytes));
    return zero == 0
        ? floats
        : builder.apply(new Binary(Binary.Fn.SUB), floats, builder.constant(floats, zero));
  }

  /** Checks that an input has bytes, and that {@code zero} is one of them. */
  static void requireBytes(String op, TensorSpec input, int zero) {
    DType dtype = input.dtype();
    OpCheck.require(dtype == DType.U8 || dtype == DType.I8, op, "takes U8 and I8, found %s", input);
    OpCheck.require(
        zero >= least(dtype) && zero <= least(dtype) + 255, op, "%d is not of %s", zero, dtype);
  }
}
