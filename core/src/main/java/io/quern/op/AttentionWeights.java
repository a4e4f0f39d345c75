package io.quern.op;

import io.quern.DType;
import io.quern.Shape;
import java.util.List;

/**
 * The weights of scaled dot-product attention (Vaswani et al. 2017), {@code softmax((scale q) k^T +
 * mask)}. Inputs: q [.., hq, sq, d], k [.., hkv, sk, d] and, when given, a mask that broadcasts to
 * [.., hq, sq, sk] and is added to the scores; output [.., hq, sq, sk]. All have one float dtype.
 *
 * <ul>
 *   <li>Grouped heads: hq is a multiple of hkv, and head i of q meets head {@code i / (hq / hkv)}
 *       of k.
 *   <li>Causal: query i sees the keys 0 to i, also where sq and sk differ. This is the upper left
 *       alignment of PyTorch's {@code scaled_dot_product_attention} and ONNX Attention-23. Other
 *       alignments are masks.
 *   <li>A query all of whose scores are -infinity has the weights 0, as in PyTorch from 2.5 on and
 *       in ONNX Attention.
 * </ul>
 */
public record AttentionWeights(double scale, boolean causal) implements Composite {
  @Override
  public String name() {
    return "attention_weights";
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.inputCount(name(), inputs, 2, 3);
    return List.of(scores(name(), inputs.get(0), inputs.get(1), inputs.subList(2, inputs.size())));
  }

  /** Checks q, k and, when there is one, the mask; gives the spec of the scores. */
  static TensorSpec scores(String op, TensorSpec query, TensorSpec key, List<TensorSpec> mask) {
    OpCheck.floating(op, query);
    OpCheck.sameDType(op, List.of(query, key));
    Shape q = query.shape();
    Shape k = key.shape();
    int rank = q.rank();
    OpCheck.require(
        rank >= 3 && k.rank() == rank,
        op,
        "needs queries [.., heads, length, size] and keys of the same rank, found %s and %s",
        q,
        k);
    OpCheck.require(
        q.slice(0, rank - 3).equals(k.slice(0, rank - 3)) && q.dim(-1) == k.dim(-1),
        op,
        "batch or size differ, queries %s keys %s",
        q,
        k);
    OpCheck.require(
        k.dim(-3) > 0 && q.dim(-3) % k.dim(-3) == 0,
        op,
        "%d heads of queries are not a multiple of %d heads of keys",
        q.dim(-3),
        k.dim(-3));
    OpCheck.require(k.dim(-2) > 0, op, "needs one key or more, found %s", k);
    Shape scores = q.with(rank - 1, k.dim(-2));
    for (TensorSpec each : mask) {
      OpCheck.sameDType(op, List.of(query, each));
      OpCheck.require(
          ShapeRules.broadcast(op, each.shape(), scores).equals(scores),
          op,
          "the mask must broadcast to %s, found %s",
          scores,
          each.shape());
    }
    return query.with(scores);
  }

  @Override
  public <T> T decompose(OpBuilder<T> builder, List<T> inputs) {
    T q = inputs.get(0);
    T k = inputs.get(1);
    Shape shape = builder.spec(q).shape();
    int rank = shape.rank();
    T scaled = builder.apply(new Binary(Binary.Fn.MUL), q, builder.constant(q, scale));
    T scores = product(builder, scaled, transposed(builder, k));
    if (inputs.size() == 3) {
      scores = builder.apply(new Binary(Binary.Fn.ADD), scores, inputs.get(2));
    }
    T hidden = builder.constant(q, Double.NEGATIVE_INFINITY);
    T zero = builder.constant(q, 0);
    if (causal) {
      T visible = visible(builder, shape.dim(-2), builder.spec(k).shape().dim(-2));
      scores = builder.apply(new Where(), List.of(visible, scores, hidden));
    }
    // Softmax would give NaN for a row of -infinity.
    T max = builder.apply(new Reduce(Reduce.Fn.MAX, List.of(rank - 1), true), scores);
    T empty = builder.apply(new Compare(Compare.Fn.EQ), max, hidden);
    T weights =
        builder.apply(
            new Softmax(rank - 1), builder.apply(new Where(), List.of(empty, zero, scores)));
    return builder.apply(new Where(), List.of(empty, zero, weights));
  }

  /** Where query i sees key j, [queries, keys]. */
  private static <T> T visible(OpBuilder<T> builder, long queries, long keys) {
    T rows = builder.apply(new Iota(DType.I64, queries), List.of());
    T columns = builder.apply(new Iota(DType.I64, keys), List.of());
    T column = builder.apply(new View.Reshape(Shape.of(queries, 1)), rows);
    return builder.apply(new Compare(Compare.Fn.GE), column, columns);
  }

  private static <T> T transposed(OpBuilder<T> builder, T matrices) {
    return builder.apply(View.Permute.transposing(builder.spec(matrices).shape().rank()), matrices);
  }

  /** Matrix products per head, [.., hq, m, k] x [.., hkv, k, n] -> [.., hq, m, n]. */
  static <T> T product(OpBuilder<T> builder, T left, T right) {
    Shape l = builder.spec(left).shape();
    Shape r = builder.spec(right).shape();
    if (l.dim(-3) == r.dim(-3)) {
      return builder.apply(new MatMul(), left, right);
    }
    int at = l.rank() - 3;
    Shape grouped = l.with(at, l.dim(at) / r.dim(at)).insert(at, r.dim(at));
    T product =
        builder.apply(
            new MatMul(),
            builder.apply(new View.Reshape(grouped), left),
            builder.apply(new View.Reshape(r.insert(at + 1, 1)), right));
    return builder.apply(new View.Reshape(l.with(-1, r.dim(-1))), product);
  }
}
