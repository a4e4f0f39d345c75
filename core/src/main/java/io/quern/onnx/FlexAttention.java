package io.quern.onnx;

import io.quern.DType;
import io.quern.Tensor;
import io.quern.op.Attention;

/** Attention whose scores and weights graphs of the model may change. */
final class FlexAttention {
  private FlexAttention() {}

  static void addTo(OpTable table) {
    table.domain("ai.onnx.preview");
    table.body("FlexAttention", 1, call -> OnnxValue.all(apply(call)));
    table.domain("");
  }

  private static Tensor apply(Call call) {
    Tensor q = call.in(0);
    Tensor k = call.in(1);
    Tensor v = call.in(2);
    if (q.rank() != 4 || k.rank() != 4 || v.rank() != 4 || q.dim(1) % k.dim(1) != 0) {
      throw call.error(
          "expected [batch, heads, tokens, size], with heads of queries a multiple of those of"
              + " keys, found %s, %s and %s",
          q.shape(), k.shape(), v.shape());
    }
    DType wide = q.dtype() == DType.F64 ? DType.F64 : DType.F32;
    DType precision =
        call.hasAttribute("softmax_precision")
            ? call.dtype(call.integer("softmax_precision"))
            : wide;
    double scale = call.number("scale", 1 / Math.sqrt((double) q.dim(3)));
    boolean plain = !call.hasAttribute("score_mod") && !call.hasAttribute("prob_mod");
    if (plain && precision == q.dtype() && k.dim(2) > 0) {
      return Tensor.apply(new Attention(scale, false), q, k, v);
    }
    long groups = q.dim(1) / k.dim(1);
    Tensor keys = AttentionOps.repeated(k.to(wide), groups);
    Tensor values = AttentionOps.repeated(v.to(wide), groups);
    Tensor scores = q.to(wide).mul(scale).matmul(keys.transpose(2, 3)).to(precision);
    Tensor weights = modified(call, "score_mod", scores).softmax(3);
    return modified(call, "prob_mod", weights).to(wide).matmul(values).to(q.dtype());
  }

  /** What a graph of the node makes of scores or weights; the same where there is no graph. */
  private static Tensor modified(Call call, String attribute, Tensor x) {
    if (!call.hasAttribute(attribute)) {
      return x;
    }
    OnnxValue[] results = call.run(call.graph(attribute), OnnxValue.of(x));
    if (results.length != 1
        || !(results[0] instanceof OnnxValue.Dense(Tensor y, ElementType _))
        || y.dtype() != x.dtype()
        || !y.shape().equals(x.shape())) {
      throw call.error(
          "%s must give one tensor of %s%s, found %s",
          attribute,
          x.dtype(),
          x.shape(),
          results.length == 1 ? results[0].kind() : results.length + " values");
    }
    return y;
  }
}
