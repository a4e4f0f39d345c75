package io.quern.op;

import io.quern.Shape;
import java.util.ArrayList;
import java.util.List;

/**
 * Scaled dot-product attention (Vaswani et al. 2017), {@code softmax((scale q) k^T + mask) v}.
 * Inputs: q [.., hq, sq, d], k [.., hkv, sk, d], v [.., hkv, sk, dv] and, when given, a mask that
 * broadcasts to [.., hq, sq, sk]; output [.., hq, sq, dv]. Grouped heads, the causal mask and
 * queries that see no key are as in {@link AttentionWeights}; the result for the last is 0.
 *
 * <p>Whether infinities and NaN among the values of keys that the causal mask hides reach the
 * result is left open.
 */
public record Attention(double scale, boolean causal) implements Composite {
  @Override
  public String name() {
    return "attention";
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.inputCount(name(), inputs, 3, 4);
    return List.of(output(name(), inputs.subList(0, 3), inputs.subList(3, inputs.size())));
  }

  /** Checks q, k, v and, when there is one, the mask; gives the spec of the output. */
  static TensorSpec output(String op, List<TensorSpec> inputs, List<TensorSpec> mask) {
    OpCheck.sameDType(op, inputs);
    TensorSpec scores = AttentionWeights.scores(op, inputs.get(0), inputs.get(1), mask);
    Shape key = inputs.get(1).shape();
    Shape value = inputs.get(2).shape();
    OpCheck.require(
        value.rank() == key.rank() && value.with(-1, key.dim(-1)).equals(key),
        op,
        "values must be keys in number and heads, keys %s values %s",
        key,
        value);
    return scores.with(scores.shape().with(-1, value.dim(-1)));
  }

  @Override
  public <T> T decompose(OpBuilder<T> builder, List<T> inputs) {
    List<T> scored = new ArrayList<>(inputs);
    scored.remove(2);
    T weights = builder.apply(new AttentionWeights(scale, causal), scored);
    return AttentionWeights.product(builder, weights, inputs.get(2));
  }
}
