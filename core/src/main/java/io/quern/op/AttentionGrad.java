package io.quern.op;

import java.util.List;

/**
 * Gradients of {@link Attention} for q, k and v, which are the outputs. Inputs: q, k, v, the output
 * of the attention, the gradient of the output and, when the attention had one, the mask.
 *
 * <p>With the weights p, which are computed again, {@code ds = p (gradient v^T - sum(gradient *
 * output))}, the sum over the last dimension: dv is {@code p^T gradient}, dq is {@code scale ds k},
 * dk is {@code scale ds^T q}; dk and dv are summed over the heads of a group (Dao et al.,
 * FlashAttention, 2022, appendix B).
 */
public record AttentionGrad(double scale, boolean causal) implements Op {
  @Override
  public String name() {
    return "attention_grad";
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.inputCount(name(), inputs, 5, 6);
    OpCheck.sameDType(name(), inputs);
    TensorSpec output =
        Attention.output(name(), inputs.subList(0, 3), inputs.subList(5, inputs.size()));
    OpCheck.shape(name(), "the output", inputs.get(3).shape(), output.shape());
    OpCheck.shape(name(), "the gradient", inputs.get(4).shape(), output.shape());
    return List.copyOf(inputs.subList(0, 3));
  }
}
