package io.quern.onnx;

import io.quern.DType;
import io.quern.Device;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.TensorAccess;
import io.quern.op.IntegerMatMul;
import io.quern.op.Unary;
import org.jspecify.annotations.Nullable;

/** Quantised tensors: whole numbers with a scale and a zero point. */
final class QuantizeOps {
  private QuantizeOps() {}

  static void addTo(OpTable table) {
    table.value("QuantizeLinear", 10, QuantizeOps::quantize);
    table.op("DequantizeLinear", 10, QuantizeOps::dequantize);
    table.ops("DynamicQuantizeLinear", 11, call -> dynamic(call.in(0)));
    table.op("MatMulInteger", 10, QuantizeOps::matmulInteger);
    table.op("ConvInteger", 10, QuantizeOps::convInteger);
  }

  /** A scale or zero point, shaped to broadcast to {@code x}: of one axis, or of blocks. */
  private static Tensor spread(Call call, Tensor values, Tensor x) {
    if (values.rank() == 0 || (values.size() == 1 && values.rank() == 1)) {
      return values.reshape(Shape.scalar());
    }
    int axis = call.axis(call.integer("axis", 1), x.rank());
    long block = call.integer("block_size", 0);
    if (block == 0) {
      return along(values, axis, x.rank());
    }
    Tensor repeated = values.unsqueeze(axis + 1);
    Shape each = repeated.shape().with(axis + 1, block);
    Tensor wide =
        repeated.expand(each).reshape(values.shape().with(axis, values.dim(axis) * block));
    return wide.dim(axis) == x.dim(axis) ? wide : wide.slice(axis, 0, x.dim(axis));
  }

  static Tensor along(Tensor values, int axis, int rank) {
    Shape shape = values.shape();
    while (shape.rank() < rank - axis) {
      shape = shape.insert(shape.rank(), 1);
    }
    return values.reshape(shape);
  }

  private static OnnxValue quantize(Call call) {
    Tensor x = call.in(0);
    Tensor scale = spread(call, call.in(1), x);
    long code = call.integer("output_dtype", 0);
    ElementType type =
        call.has(2) ? call.dense(2).type() : code == 0 ? ElementType.UINT8 : call.elementType(code);
    DType wide = x.dtype() == DType.F64 ? DType.F64 : DType.F32;
    Tensor scaled = x.to(wide).div(scale.to(wide));
    if (type.isSmallFloat()) {
      return CastOps.cast(call, new OnnxValue.Dense(scaled), type, call.flag("saturate", true));
    }
    Tensor rounded = scaled.map(Unary.Fn.ROUND);
    Tensor shifted = call.has(2) ? rounded.add(spread(call, call.in(2), x).to(wide)) : rounded;
    return new OnnxValue.Dense(saturated(shifted, type), type);
  }

  /** Floats with whole values as integers of a type, as near as they get. */
  static Tensor saturated(Tensor x, ElementType type) {
    DType dtype = type.dtype();
    if (dtype == null) {
      throw new OnnxException("onnx: cannot quantise to " + type);
    }
    double low = dtype.isUnsigned() ? 0 : -Math.scalb(1.0, type.bits() - 1);
    double high = Math.scalb(1.0, dtype.isUnsigned() ? type.bits() : type.bits() - 1) - 1;
    return x.clamp(low, high).to(dtype);
  }

  private static Tensor dequantize(Call call) {
    Tensor x = call.in(0);
    Tensor scale = spread(call, call.in(1), x);
    long code = call.integer("output_dtype", 0);
    DType result = code == 0 ? scale.dtype() : call.dtype(code);
    DType wide = scale.dtype() == DType.F64 ? DType.F64 : DType.F32;
    Tensor centred = centred(call, x, 2, wide);
    return centred.mul(scale.to(wide)).to(result);
  }

  private static Tensor centred(Call call, Tensor x, int zeroPoint, DType wide) {
    if (!call.has(zeroPoint)) {
      return x.to(wide);
    }
    Tensor zero = spread(call, call.in(zeroPoint), x);
    boolean isExact = x.dtype().isFloat() || x.dtype().bytes() <= 2; // differences are F32 too
    return isExact
        ? x.to(wide).sub(zero.to(wide))
        : x.to(DType.I32).sub(zero.to(DType.I32)).to(wide);
  }

  /** Bytes that spread over the range of x, with their scale and zero point. */
  static Tensor[] dynamic(Tensor x) {
    Tensor zero = ElementwiseOps.scalar(x, 0);
    Tensor low = x.min().minimum(zero);
    Tensor high = x.max().maximum(zero);
    Tensor scale = high.sub(low).div(255);
    Tensor point = zero.sub(low.div(scale)).clamp(0, 255).map(Unary.Fn.ROUND);
    Tensor y = x.div(scale).map(Unary.Fn.ROUND).add(point).clamp(0, 255);
    return new Tensor[] {y.to(DType.U8), scale, point.to(DType.U8)};
  }

  /** Zero points of the rows of a left operand. */
  static Tensor ofRows(Tensor zero) {
    return zero.rank() == 1 && zero.size() > 1 ? zero.unsqueeze(1) : zero;
  }

  private static Tensor matmulInteger(Call call) {
    return product(
        call,
        call.in(0),
        call.has(2) ? call.in(2) : null,
        call.in(1),
        call.has(3) ? call.in(3) : null);
  }

  /** The exact product of matrices of bytes with their zero points, as I32. */
  static Tensor product(
      Call call, Tensor a, @Nullable Tensor zeroA, Tensor b, @Nullable Tensor zeroB) {
    Tensor[] operands = IntegerProducts.operands(a, zeroA, b, zeroB);
    IntegerMatMul op = new IntegerMatMul(DType.I32);
    if (operands != null && TensorAccess.hasKernel(Device.cpu(), op, operands)) {
      return Tensor.apply(op, operands);
    }
    return IntegerProducts.matmul(
        IntegerProducts.centred(a, zeroA == null ? null : ofRows(zeroA)),
        call.atOnce(() -> IntegerProducts.centred(b, zeroB), b, zeroB));
  }

  private static Tensor perOutput(Tensor values, Tensor weight) {
    return values.size() == 1 ? values.reshape(Shape.scalar()) : along(values, 0, weight.rank());
  }

  /** The convolution of an image and a weight with their zero points, exact. */
  static Tensor convolve(
      Call call, Tensor x, @Nullable Tensor zero, Tensor weight, @Nullable Tensor zeros) {
    return IntegerProducts.conv(
        call,
        IntegerProducts.centred(x, zero == null ? null : zero.reshape(Shape.scalar())),
        call.atOnce(
            () -> IntegerProducts.centred(weight, zeros == null ? null : perOutput(zeros, weight)),
            weight,
            zeros));
  }

  private static Tensor convInteger(Call call) {
    return convolve(
            call,
            call.in(0),
            call.has(2) ? call.in(2) : null,
            call.in(1),
            call.has(3) ? call.in(3) : null)
        .to(DType.I32);
  }
}
