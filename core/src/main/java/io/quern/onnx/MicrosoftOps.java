package io.quern.onnx;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.op.Compare;
import io.quern.op.Unary;
import java.util.List;
import java.util.function.UnaryOperator;

/** Fused operators of the domain com.microsoft, which optimisers and quantisers write. */
final class MicrosoftOps {
  private MicrosoftOps() {}

  static void addTo(OpTable table) {
    table.domain("com.microsoft");
    table.op("FusedMatMul", 1, MicrosoftOps::fusedMatMul);
    table.op("FusedConv", 1, MicrosoftOps::fusedConv);
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
    table.op("Attention", 1, call -> attention(call, projected(call), 3));
    table.op("QAttention", 1, call -> attention(call, quantisedProjected(call), 5));
    table.op("MultiHeadAttention", 1, MicrosoftOps::multiHead);
    table.op("RotaryEmbedding", 1, MicrosoftOps::rotary);
    table.op("DynamicQuantizeMatMul", 1, MicrosoftOps::dynamicMatmul);
    table.op("MatMulIntegerToFloat", 1, MicrosoftOps::integerToFloat);
    table.op("MatMulNBits", 1, PackedWeights::matmul);
    table.domain("");
  }

  private static Tensor biased(Tensor x, Call call, int bias) {
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
    return activation(call).apply(biased(sum, call, 3));
  }

  private static UnaryOperator<Tensor> activation(Call call) {
    double[] parameters = Call.widened(call.numbers("activation_params"));
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
            : sum.mul(mean(sum.square()).add(epsilon).map(Unary.Fn.RSQRT)).mul(call.in(2));
    if (call.wants(1) || call.wants(2)) {
      throw call.error("mean and deviation are outputs of training only");
    }
    return new Tensor[] {y, sum, sum, sum};
  }

  private static Tensor mean(Tensor x) {
    return ReduceOps.mean(x, List.of(x.rank() - 1), true);
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

  // ---- attention ---------------------------------------------------------------------------

  /** Queries, keys and values, side by side. */
  private static Tensor projected(Call call) {
    return biased(call.in(0).matmul(call.in(1)), call, 2);
  }

  private static Tensor quantisedProjected(Call call) {
    Tensor product =
        QuantizeOps.product(
            call,
            call.in(0),
            call.has(6) ? call.in(6) : null,
            call.in(1),
            call.has(7) ? call.in(7) : null);
    return product.to(DType.F32).mul(call.in(3).mul(call.in(4))).add(call.in(2));
  }

  /**
   * Attention of what {@link #projected} gives.
   *
   * @param mask index of the mask; caches come after it
   */
  private static Tensor attention(Call call, Tensor all, int mask) {
    boolean quantised = mask == 5;
    int past = quantised ? 8 : 4;
    if (call.has(past) || call.flag("do_rotary", false) || call.wants(1)) {
      throw call.error("caches and rotary embeddings are not supported here");
    }
    long width = all.dim(2);
    long[] sizes = call.integers("qkv_hidden_sizes", new long[] {width / 3, width / 3, width / 3});
    long heads = call.integer("num_heads");
    Tensor q = all.slice(2, 0, sizes[0]);
    Tensor k = all.slice(2, sizes[0], sizes[0] + sizes[1]);
    Tensor v = all.slice(2, sizes[0] + sizes[1], width);
    int bias = quantised ? 9 : 5;
    return joined(call, heads, new Tensor[] {q, k, v}, mask, bias);
  }

  private static Tensor multiHead(Call call) {
    if (call.has(6) || call.has(7) || call.wants(1) || !call.has(1) || !call.has(2)) {
      throw call.error("caches and packed inputs are not supported here");
    }
    Tensor q = call.in(0);
    Tensor k = call.in(1);
    Tensor v = call.in(2);
    if (call.has(3)) {
      Tensor bias = call.in(3);
      long width = q.dim(2);
      q = q.add(bias.slice(0, 0, width));
      if (k.rank() == 3) {
        k = k.add(bias.slice(0, width, 2 * width));
        v = v.add(bias.slice(0, 2 * width, bias.dim(0)));
      }
    }
    return joined(call, call.integer("num_heads"), new Tensor[] {q, k, v}, 4, 5);
  }

  private static Tensor joined(Call call, long heads, Tensor[] qkv, int mask, int bias) {
    Tensor q = AttentionOps.split(qkv[0], heads);
    Tensor k = AttentionOps.split(qkv[1], heads);
    Tensor v = AttentionOps.split(qkv[2], heads);
    double given = call.number("scale", 0);
    double scale = given == 0 ? 1 / Math.sqrt((double) q.dim(3)) : given;
    Tensor scores = q.matmul(k.transpose(2, 3)).mul(scale);
    if (call.has(mask)) {
      scores = scores.add(hidden(call, call.in(mask), scores));
    }
    scores = biased(scores, call, bias);
    if (call.flag("unidirectional", false)) {
      Tensor rows = ShapeOps.indices(scores.dim(2), 0, 2);
      Tensor columns = ShapeOps.indices(scores.dim(3), 1, 2);
      scores = scores.add(where(columns.compare(Compare.Fn.LE, rows), scores, -Float.MAX_VALUE));
    }
    Tensor y = scores.softmax(-1).matmul(v);
    return y.transpose(1, 2).reshape(y.dim(0), y.dim(2), heads * y.dim(3));
  }

  /** What is added to scores: lengths, or a mask of keys, or one of queries and keys. */
  private static Tensor hidden(Call call, Tensor mask, Tensor scores) {
    double filter = call.number("mask_filter_value", -10000);
    if (mask.rank() == 1) {
      if (mask.dim(0) != scores.dim(0)) {
        throw call.error("a mask of shape %s is not supported", mask.shape());
      }
      Tensor places = ShapeOps.indices(scores.dim(3), 3, 4);
      Tensor lengths = mask.to(places.dtype()).reshape(mask.dim(0), 1, 1, 1);
      return where(places.compare(Compare.Fn.LT, lengths), scores, filter);
    }
    Tensor shaped = mask.rank() == 2 ? mask.unsqueeze(1).unsqueeze(1) : mask.unsqueeze(1);
    return where(shaped.compare(Compare.Fn.NE, 0), scores, filter);
  }

  private static Tensor where(Tensor visible, Tensor like, double otherwise) {
    return Tensor.where(
        visible, ElementwiseOps.scalar(like, 0), ElementwiseOps.scalar(like, otherwise));
  }

  private static Tensor rotary(Call call) {
    Tensor x = call.in(0);
    Tensor cache = call.in(2);
    long size = 2 * cache.dim(1);
    long part = call.integer("rotary_embedding_dim", 0);
    long heads = call.integer("num_heads", 0);
    Tensor split = AttentionOps.split(x, heads > 0 ? heads : x.rank() == 3 ? x.dim(2) / size : 0);
    Tensor places = call.in(1);
    if (places.rank() == 1) {
      places = ShapeOps.indices(split.dim(2), 1, 2).to(places.dtype()).add(places);
    }
    Tensor result =
        AttentionOps.rotated(
            split,
            part == 0 ? size : part,
            call.flag("interleaved", false),
            cache.gather(0, places).unsqueeze(1),
            call.in(3).gather(0, places).unsqueeze(1));
    return x.rank() == 3 ? result.transpose(1, 2).reshape(x.shape()) : result;
  }
}
