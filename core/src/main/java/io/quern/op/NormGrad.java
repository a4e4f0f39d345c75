package io.quern.op;

import io.quern.Shape;
import java.util.ArrayList;
import java.util.List;

/**
 * Gradients of {@link LayerNorm} (centred) or {@link RmsNorm} (not centred). Inputs: x, gamma,
 * gradient of the output; outputs: the gradients of x, gamma and, if centred, beta.
 *
 * <p>With z the normalised input, r the inverse deviation and {@code h = gradient * gamma}, the
 * gradient of x is {@code r (h - mean(h) - z mean(h z))}, where {@code mean(h)} is left out when
 * not centred; that of gamma is the sum of {@code gradient * z}, that of beta the sum of the
 * gradient, over all rows (Ba et al. 2016, supplement).
 */
public record NormGrad(int dims, double epsilon, boolean centred) implements Op {
  @Override
  public String name() {
    return centred ? "layer_norm_grad" : "rms_norm_grad";
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.inputCount(name(), inputs, 3);
    OpCheck.sameDType(name(), inputs);
    TensorSpec x = inputs.get(0);
    OpCheck.floating(name(), x);
    int rank = x.shape().rank();
    OpCheck.require(
        dims >= 1 && dims <= rank, name(), "cannot normalise %d dimensions of %s", dims, x);
    Shape normalised = x.shape().slice(rank - dims, rank);
    OpCheck.shape(name(), "gamma", inputs.get(1).shape(), normalised);
    OpCheck.shape(name(), "the gradient", inputs.get(2).shape(), x.shape());
    List<TensorSpec> outputs = new ArrayList<>(List.of(x, x.with(normalised)));
    if (centred) {
      outputs.add(x.with(normalised));
    }
    return outputs;
  }
}
