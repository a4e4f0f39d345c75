package io.quern.onnx;

import io.quern.DType;
import io.quern.Device;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.TensorAccess;
import io.quern.op.Quantization;
import io.quern.op.QuantizedAdd;
import io.quern.op.QuantizedConv2d;
import io.quern.op.Unary;
import io.quern.op.Window;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Operators on quantised tensors that give quantised ones. Sums of products are exact; the integer
 * becomes a float, and that times the scales of the inputs divided by that of the result is
 * rounded. A bias may be of floats, which {@link QuantizedNodes} leaves as it is.
 */
final class QuantizedOps {
  private QuantizedOps() {}

  static void addTo(OpTable table) {
    table.value("QLinearConv", 10, QuantizedOps::conv);
    table.value("QLinearMatMul", 10, QuantizedOps::matmul);
    table.domain("com.microsoft");
    table.value("QLinearAdd", 1, QuantizedOps::sum);
    table.value("QGemm", 1, QuantizedOps::gemm);
    table.domain("");
  }

  /** Where a tensor's parts are among the inputs. */
  record Quantized(Call call, int at) {
    Tensor tensor() {
      return call.in(at);
    }

    Tensor scale() {
      return call.in(at + 1);
    }

    @Nullable Tensor zero() {
      return call.has(at + 2) ? call.in(at + 2) : null;
    }

    /** The numbers that the bytes stand for, as F32. */
    Tensor floats() {
      Tensor zero = zero();
      Tensor steps = IntegerProducts.centred(tensor(), zero == null ? null : one(zero));
      return steps.mul(one(scale()));
    }

    /** The only zero point, or null when there are others, or it is not known yet. */
    @Nullable Integer onlyZero() {
      if (!call.has(at + 2)) {
        return 0;
      }
      if (!call.isKnown(at + 2)) {
        return null;
      }
      long[] zeros = call.longs(at + 2);
      boolean same = zeros.length > 0 && Arrays.stream(zeros).allMatch(z -> z == zeros[0]);
      return same ? Integer.valueOf((int) zeros[0]) : null;
    }
  }

  /** Scale and zero point of a result. */
  record Target(Call call, int at) {
    Tensor scale() {
      return call.in(at);
    }

    ElementType type() {
      return call.has(at + 1) ? call.dense(at + 1).type() : ElementType.UINT8;
    }

    /** The bytes that are nearest to floats. */
    OnnxValue nearest(Tensor floats) {
      return quantized(floats.div(one(scale())));
    }

    /** The bytes of floats that count steps of the result's scale. */
    OnnxValue quantized(Tensor steps) {
      Tensor rounded = steps.map(Unary.Fn.ROUND);
      Tensor moved = call.has(at + 1) ? rounded.add(one(call.in(at + 1)).to(DType.F32)) : rounded;
      return new OnnxValue.Dense(QuantizeOps.saturated(moved, type()), type());
    }

    /** The same as an argument of ops, or null when it is not known yet. */
    @Nullable Quantization quantization() {
      Integer zero = new Quantized(call, at - 1).onlyZero();
      DType dtype = type().dtype();
      boolean fits = zero != null && (dtype == DType.U8 || dtype == DType.I8);
      return fits ? Quantization.of(dtype, zero) : null;
    }
  }

  /** A tensor of one element without dimensions. */
  private static Tensor one(Tensor values) {
    return values.size() == 1 ? values.reshape(Shape.scalar()) : values;
  }

  /** Steps of the result that one of a product is. */
  static Tensor scale(Tensor a, Tensor b, Tensor result) {
    Tensor product = a.to(DType.F64).mul(b.to(DType.F64));
    return product.div(result.to(DType.F64).reshape(Shape.scalar())).to(DType.F32);
  }

  /** A bias in steps of a product; floats are rounded. */
  private static Tensor bias(Tensor bias, Tensor a, Tensor b) {
    if (!bias.dtype().isFloat()) {
      return bias;
    }
    Tensor step = a.to(DType.F64).mul(b.to(DType.F64));
    return bias.to(DType.F64).div(step).map(Unary.Fn.ROUND).to(DType.I32);
  }

  // ---- convolutions -------------------------------------------------------------------------

  private static OnnxValue conv(Call call) {
    Quantized x = new Quantized(call, 0);
    Quantized w = new Quantized(call, 3);
    Target y = new Target(call, 6);
    Tensor weight = w.tensor();
    Shape filters = Shape.of(weight.dim(0));
    Tensor one = x.scale().reshape(Shape.scalar());
    Tensor each = w.scale().size() == 1 ? w.scale().reshape(Shape.scalar()) : w.scale();
    Tensor scale =
        call.atOnce(
            () -> scale(one, each, y.scale()).expand(filters).contiguous(),
            x.scale(),
            w.scale(),
            y.scale());
    Tensor given = call.has(8) ? call.in(8) : Call.full(0, DType.I32, filters);
    Tensor bias = call.atOnce(() -> bias(given, one, each), given, x.scale(), w.scale());
    Tensor atOnce = weight.rank() == 4 ? asOneOp(call, x, w, scale, bias, y) : null;
    if (atOnce != null) {
      return new OnnxValue.Dense(atOnce, y.type());
    }
    Tensor product =
        QuantizeOps.convolve(call, x.tensor(), x.zero(), weight, w.zero()).to(DType.I32);
    Tensor sum = product.add(ConvOps.perChannel(bias, product.rank()));
    return y.quantized(sum.to(DType.F32).mul(ConvOps.perChannel(scale, sum.rank())));
  }

  /** The convolution where there is a kernel for it, or null. */
  private static @Nullable Tensor asOneOp(
      Call call, Quantized x, Quantized w, Tensor scale, Tensor bias, Target y) {
    Integer zero = x.onlyZero();
    Tensor weight = signed(call, w);
    Quantization result = y.quantization();
    if (zero == null || weight == null || result == null) {
      return null;
    }
    Window window = ConvOps.window(call, x.tensor(), weight);
    int groups = (int) call.integer("group", 1);
    QuantizedConv2d op = new QuantizedConv2d(window, groups, zero, result);
    Tensor[] operands = {x.tensor(), weight, scale, bias};
    return TensorAccess.hasKernel(Device.cpu(), op, operands) ? Tensor.apply(op, operands) : null;
  }

  /** Weights as I8 whose zero point is 0, or null when they are others. */
  private static @Nullable Tensor signed(Call call, Quantized w) {
    Integer zero = w.onlyZero();
    Tensor weight = w.tensor();
    if (zero == null || zero != (weight.dtype() == DType.U8 ? 128 : 0)) {
      return null;
    }
    return zero == 0
        ? weight
        : call.atOnce(() -> weight.to(DType.I32).sub(zero).to(DType.I8), weight, w.zero());
  }

  // ---- matrices -----------------------------------------------------------------------------

  private static OnnxValue matmul(Call call) {
    Quantized a = new Quantized(call, 0);
    Quantized b = new Quantized(call, 3);
    Target y = new Target(call, 6);
    Tensor product = QuantizeOps.product(call, a.tensor(), a.zero(), b.tensor(), b.zero());
    Tensor rows = QuantizeOps.ofRows(a.scale());
    Tensor scale =
        call.atOnce(() -> scale(rows, b.scale(), y.scale()), a.scale(), b.scale(), y.scale());
    return y.quantized(product.to(DType.F32).mul(scale));
  }

  private static OnnxValue gemm(Call call) {
    Quantized a = new Quantized(call, 0);
    Quantized b = new Quantized(call, 3);
    if (call.number("alpha", 1) != 1 || !call.has(7)) {
      throw call.error("alpha must be 1, and the result quantised");
    }
    Target y = new Target(call, 7);
    Tensor left = call.flag("transA", false) ? a.tensor().transpose(0, 1) : a.tensor();
    Tensor weight = b.tensor();
    Tensor right =
        call.flag("transB", false)
            ? call.atOnce(() -> weight.transpose(0, 1).contiguous(), weight)
            : weight;
    Tensor sum = QuantizeOps.product(call, left, a.zero(), right, b.zero()).to(DType.F32);
    if (call.has(6)) {
      Tensor given = call.in(6);
      Tensor bias =
          call.atOnce(
              () -> bias(given, a.scale(), b.scale()).to(DType.F32), given, a.scale(), b.scale());
      sum = sum.add(bias);
    }
    Tensor scale =
        call.atOnce(() -> scale(a.scale(), b.scale(), y.scale()), a.scale(), b.scale(), y.scale());
    return y.quantized(sum.mul(scale));
  }

  // ---- sums ---------------------------------------------------------------------------------

  private static OnnxValue sum(Call call) {
    Quantized a = new Quantized(call, 0);
    Quantized b = new Quantized(call, 3);
    Target y = new Target(call, 6);
    Integer zeroA = a.onlyZero();
    Integer zeroB = b.onlyZero();
    Quantization result = y.quantization();
    if (zeroA == null || zeroB == null || result == null) {
      throw call.error("zero points must be known, one for each tensor of U8 or I8");
    }
    double step = call.doubles(6)[0];
    QuantizedAdd op =
        new QuantizedAdd(
            (float) (call.doubles(1)[0] / step),
            zeroA,
            (float) (call.doubles(4)[0] / step),
            zeroB,
            result);
    return new OnnxValue.Dense(Tensor.apply(op, a.tensor(), b.tensor()), y.type());
  }
}
