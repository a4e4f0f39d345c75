package io.quern.onnx;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.op.RmsNorm;
import io.quern.op.Unary;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;

/** Fused operators of the domain com.microsoft, which optimisers and quantisers write. */
final class MicrosoftOps {
  private MicrosoftOps() {}

  static void addTo(OpTable table) {
    table.domain("com.microsoft");
    table.op("FusedMatMul", 1, MicrosoftOps::fusedMatMul);
    table.op("FusedConv", 1, MicrosoftOps::fusedConv);
    table.op("FusedGemm", 1, MicrosoftOps::fusedGemm);
    table.op("Gelu", 1, call -> call.in(0).map(Unary.Fn.GELU));
    table.op("BiasGelu", 1, call -> call.in(0).add(call.in(1)).map(Unary.Fn.GELU));
    table.op("FastGelu", 1, call -> ElementwiseOps.geluTanh(biased(call.in(0), call, 1)));
    table.op(
        "QuickGelu",
        1,
        call -> call.in(0).mul(call.in(0).mul(call.number("alpha", 1.702f)).sigmoid()));
    table.ops("SkipLayerNormalization", 1, call -> skip(call, true));
    table.ops("SkipSimplifiedLayerNormalization", 1, call -> skip(call, false));
    table.ops("EmbedLayerNormalization", 1, MicrosoftOps::embed);
    table.op("DynamicQuantizeMatMul", 1, MicrosoftOps::dynamicMatmul);
    table.op("MatMulIntegerToFloat", 1, MicrosoftOps::integerToFloat);
    table.op("MatMulNBits", 1, PackedWeights::matmul);
    table.ops("SimplifiedLayerNormalization", 1, MicrosoftOps::simplified);
    MicrosoftAttention.addTo(table);
    QLinearOps.addTo(table);
    table.domain("");
    // Optimisers write it into the domain of ONNX.
    table.ops("SimplifiedLayerNormalization", 1, MicrosoftOps::simplified);
  }

  static Tensor biased(Tensor x, Call call, int bias) {
    return call.has(bias) ? x.add(call.in(bias)) : x;
  }

  // ---- products ----------------------------------------------------------------------------

  private static Tensor fusedMatMul(Call call) {
    if (call.flag("transBatchA", false) || call.flag("transBatchB", false)) {
      throw call.error("transBatchA and transBatchB are not supported");
    }
    Tensor product =
        MatMulOps.matmul(
            turned(call.in(0), call.flag("transA", false)),
            turned(call.in(1), call.flag("transB", false)));
    double alpha = call.number("alpha", 1);
    return alpha == 1 ? product : product.mul(alpha);
  }

  private static Tensor turned(Tensor x, boolean turns) {
    return turns && x.rank() > 1 ? x.transpose(-2, -1) : x;
  }

  private static Tensor fusedConv(Call call) {
    Tensor sum = ConvOps.conv(call, call.in(0), call.in(1), call.has(2) ? call.in(2) : null);
    return activation(call, Call.widened(call.numbers("activation_params")))
        .apply(biased(sum, call, 3));
  }

  private static Tensor fusedGemm(Call call) {
    double alpha = call.number("activation_alpha", 0);
    double beta = call.number("activation_beta", 0);
    return activation(call, alpha, beta).apply(MatMulOps.gemm(call));
  }

  private static UnaryOperator<Tensor> activation(Call call, double... parameters) {
    String name = call.text("activation", "");
    return switch (name) {
      case "" -> x -> x;
      case "Relu" -> Tensor::relu;
      case "Sigmoid" -> Tensor::sigmoid;
      case "Tanh" -> Tensor::tanh;
      case "LeakyRelu" -> x -> x.maximum(x.mul(parameters[0]));
      case "Clip" -> x -> x.clamp(parameters[0], parameters[1]);
      case "HardSigmoid" -> x -> x.mul(parameters[0]).add(parameters[1]).clamp(0, 1);
      default -> throw call.error("activation '%s' is not supported", name);
    };
  }

  private static Tensor dynamicMatmul(Call call) {
    Tensor[] quantised = QuantizeOps.dynamic(call.in(0));
    Tensor product =
        QuantizeOps.product(
            call, quantised[0], quantised[2], call.in(1), call.has(3) ? call.in(3) : null);
    Tensor scale = quantised[1].mul(call.in(2));
    return biased(product.to(DType.F32).mul(scale), call, 4);
  }

  private static Tensor integerToFloat(Call call) {
    Tensor product =
        QuantizeOps.product(
            call,
            call.in(0),
            call.has(4) ? call.in(4) : null,
            call.in(1),
            call.has(5) ? call.in(5) : null);
    return biased(product.to(DType.F32).mul(call.in(2).mul(call.in(3))), call, 6);
  }

  // ---- normalisations ----------------------------------------------------------------------

  private static Tensor[] skip(Call call, boolean centres) {
    Tensor sum = biased(call.in(0).add(call.in(1)), call, centres ? 4 : 3);
    Tensor shift = centres && call.has(3) ? call.in(3) : null;
    double epsilon = call.number("epsilon", 1e-12f);
    Tensor y =
        centres
            ? NormOps.overLast(sum, call.in(2), shift, epsilon)
            : rootMeanSquare(sum, call.in(2), 1, epsilon);
    if (call.wants(1) || call.wants(2)) {
      throw call.error("mean and deviation are outputs of training only");
    }
    return new Tensor[] {y, sum, sum, sum};
  }

  /** Normalised over the last dimensions, through F32 where elements are narrower. */
  private static Tensor rootMeanSquare(Tensor x, Tensor scale, int dims, double epsilon) {
    DType wide = x.dtype() == DType.F64 ? DType.F64 : DType.F32;
    Tensor y = Tensor.apply(new RmsNorm(dims, epsilon), x.to(wide), scale.to(wide));
    return y.to(scale.dtype());
  }

  private static Tensor[] simplified(Call call) {
    Tensor x = call.in(0);
    int axis = call.axis(call.integer("axis", -1), x.rank());
    double epsilon = call.number("epsilon", 1e-5f);
    Tensor y = rootMeanSquare(x, call.in(1), x.rank() - axis, epsilon);
    if (!call.wants(1)) {
      return new Tensor[] {y};
    }
    List<Integer> axes = IntStream.range(axis, x.rank()).boxed().toList();
    Tensor wide = x.dtype() == DType.F64 ? x : x.to(DType.F32);
    Tensor squares = ReduceOps.mean(wide.square(), axes, true);
    return new Tensor[] {y, squares.add(epsilon).map(Unary.Fn.RSQRT)};
  }

  private static Tensor[] embed(Call call) {
    Tensor ids = call.in(0);
    Tensor positions = call.has(8) ? call.in(8) : ShapeOps.indices(ids.dim(1), 1, 2).to(DType.I64);
    Tensor sum = call.in(2).gather(0, ids).add(call.in(3).gather(0, positions));
    if (call.has(1) && call.has(4)) {
      sum = sum.add(call.in(4).gather(0, call.in(1)));
    }
    Tensor y = NormOps.overLast(sum, call.in(5), call.in(6), call.number("epsilon", 1e-12f));
    Tensor lengths =
        call.has(7)
            ? ReduceOps.sum(call.in(7), List.of(1), false)
            : Call.full(0, DType.I32, Shape.of(ids.dim(0)));
    return new Tensor[] {y, lengths, sum};
  }
}
