package io.quern.nn;

import io.quern.DType;
import io.quern.Rng;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.op.AttentionWeights;
import io.quern.op.Op;
import org.jspecify.annotations.Nullable;

/**
 * Multi-head scaled dot-product attention (Vaswani et al. 2017): each head computes {@code
 * softmax(q k^T / sqrt(headDim)) v} on its part of the projected inputs; the heads' results are
 * joined and projected again.
 *
 * <p>Weights as in PyTorch: {@code in_proj_weight} [3 * dim, dim] for query, key and value, {@code
 * in_proj_bias} [3 * dim], {@code out_proj.weight} [dim, dim] and {@code out_proj.bias} [dim]; the
 * first is uniform in +-sqrt(6 / (4 * dim)) (Glorot, Bengio 2010), the biases are 0.
 */
public final class MultiHeadAttention extends Module {
  private final Builder options;
  private final Weight projection;
  private final @Nullable Weight projectionBias;
  private final Linear output;

  private MultiHeadAttention(Builder options, Init init) {
    this.options = options;
    long dim = options.dim;
    this.projection =
        parameter(
            "in_proj_weight",
            init.uniform("in_proj_weight", Math.sqrt(6.0 / (4 * dim)), 3 * dim, dim));
    this.projectionBias =
        options.bias ? parameter("in_proj_bias", init.constant("in_proj_bias", 0, 3 * dim)) : null;
    this.output =
        child("out_proj", Linear.withZeroBias(dim, dim, options.bias, init.inner("out_proj")));
  }

  /** Self-attention with bias, without dropout, not causal. */
  public static MultiHeadAttention of(long dim, int heads, Rng rng) {
    return builder(dim, heads).build(rng);
  }

  /** Collects options. */
  public static Builder builder(long dim, int heads) {
    return new Builder(dim, heads);
  }

  /** The options of an attention layer. */
  public static final class Builder {
    private final long dim;
    private final int heads;
    private boolean causal;
    private boolean bias = true;
    private double dropout;

    private Builder(long dim, int heads) {
      this.dim = Check.positive("attention", "dim", dim);
      this.heads = (int) Check.positive("attention", "heads", heads);
      Check.require(dim % heads == 0, "attention", heads + " heads do not divide dimension " + dim);
    }

    private Builder(Builder other) {
      this.dim = other.dim;
      this.heads = other.heads;
      this.causal = other.causal;
      this.bias = other.bias;
      this.dropout = other.dropout;
    }

    /** Whether position i sees the positions up to i only. */
    public Builder causal(boolean value) {
      causal = value;
      return this;
    }

    /** Whether the projections have biases. */
    public Builder bias(boolean value) {
      bias = value;
      return this;
    }

    /** Probability of dropping an attention weight in training. */
    public Builder dropout(double p) {
      dropout = Check.range("attention", "dropout", p, 0, 1);
      return this;
    }

    /** The layer with random weights. */
    public MultiHeadAttention build(Rng rng) {
      return build(Init.random(rng));
    }

    private MultiHeadAttention build(Init init) {
      return new MultiHeadAttention(new Builder(this), init);
    }
  }

  static MultiHeadAttention from(Arguments arguments, Init init) {
    return builder(arguments.whole("dim"), arguments.integer("heads"))
        .causal(arguments.bool("causal"))
        .bias(arguments.bool("bias"))
        .dropout(arguments.number("dropout"))
        .build(init);
  }

  @Override
  LayerSpec spec() {
    return LayerSpec.of(
        "MultiHeadAttention",
        "dim",
        options.dim,
        "heads",
        options.heads,
        "causal",
        options.causal,
        "bias",
        options.bias,
        "dropout",
        options.dropout);
  }

  /** Self-attention: [n, length, dim] -> [n, length, dim]. */
  @Override
  public Tensor forward(Tensor input, Mode mode) {
    return forward(input, null, mode);
  }

  /** Self-attention with a mask as in {@link #attend}. */
  public Tensor forward(Tensor input, @Nullable Tensor mask, Mode mode) {
    return attend(input, input, input, mask, mode);
  }

  /**
   * Attention of one sequence to another.
   *
   * @param query [n, queries, dim]
   * @param key [n, keys, dim]
   * @param value [n, keys, dim]
   * @param mask broadcasts to [n, heads, queries, keys]; BOOL, true where the key takes part, or of
   *     the dtype of the query, any float dtype if the mode has a precision, added to the scores. A
   *     query all of whose keys are hidden gets zeros before the output's projection
   * @return [n, queries, dim]
   */
  public Tensor attend(Tensor query, Tensor key, Tensor value, @Nullable Tensor mask, Mode mode) {
    checkSequences(query, key, value);
    Tensor[] projected = project(query, key, value, mode);
    Tensor q = heads(projected[0]);
    Tensor k = heads(projected[1]);
    Tensor v = heads(projected[2]);
    Tensor added = mask == null ? null : added(mask, q, mode);
    Tensor attended;
    if (options.dropout > 0 && mode.isTraining()) {
      double scale = 1 / Math.sqrt((double) options.dim / options.heads);
      Op op = new AttentionWeights(scale, options.causal);
      Tensor weights = added == null ? Tensor.apply(op, q, k) : Tensor.apply(op, q, k, added);
      attended = Dropout.apply(weights, options.dropout, mode).matmul(v);
    } else {
      attended = q.attention(k, v, added, options.causal);
    }
    return output.forward(attended.permute(0, 2, 1, 3).reshape(query.shape()), mode);
  }

  private void checkSequences(Tensor query, Tensor key, Tensor value) {
    boolean fits =
        query.rank() == 3
            && query.dim(2) == options.dim
            && key.rank() == 3
            && key.dim(0) == query.dim(0)
            && key.dim(2) == options.dim
            && value.shape().equals(key.shape());
    Check.require(
        fits,
        "attention",
        "query must be [n, queries, "
            + options.dim
            + "], key and value [n, keys, "
            + options.dim
            + "], found "
            + query.shape()
            + ", "
            + key.shape()
            + " and "
            + value.shape());
    Check.require(
        !options.causal || query.dim(1) == key.dim(1),
        "attention",
        "causal attention needs as many queries as keys, found "
            + query.dim(1)
            + " and "
            + key.dim(1));
  }

  private Tensor[] project(Tensor query, Tensor key, Tensor value, Mode mode) {
    long dim = options.dim;
    if (query == key && key == value) {
      Tensor all =
          Linear.apply(
              "attention",
              query,
              projection.value(),
              projectionBias == null ? null : projectionBias.value(),
              mode);
      return new Tensor[] {
        all.slice(2, 0, dim), all.slice(2, dim, 2 * dim), all.slice(2, 2 * dim, 3 * dim)
      };
    }
    return new Tensor[] {project(query, 0, mode), project(key, 1, mode), project(value, 2, mode)};
  }

  private Tensor project(Tensor input, int part, Mode mode) {
    long from = part * options.dim;
    long to = from + options.dim;
    return Linear.apply(
        "attention",
        input,
        projection.value().slice(0, from, to),
        projectionBias == null ? null : projectionBias.value().slice(0, from, to),
        mode);
  }

  /** [n, length, dim] -> [n, heads, length, dim / heads]. */
  private Tensor heads(Tensor projected) {
    Shape shape = projected.shape();
    return projected
        .reshape(shape.dim(0), shape.dim(1), options.heads, options.dim / options.heads)
        .permute(0, 2, 1, 3);
  }

  /** What a mask adds to the scores. */
  private static Tensor added(Tensor mask, Tensor query, Mode mode) {
    return mask.dtype() == DType.BOOL ? hiding(mask, query) : mode.cast(mask);
  }

  /** 0 where the mask is true, else -infinity. */
  private static Tensor hiding(Tensor visible, Tensor like) {
    Tensor zero = Tensor.full(0, like.dtype(), like.device());
    Tensor hidden = Tensor.full(Double.NEGATIVE_INFINITY, like.dtype(), like.device());
    return Tensor.where(visible, zero, hidden);
  }
}
