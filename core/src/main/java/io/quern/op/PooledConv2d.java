package io.quern.op;

import java.util.List;

/**
 * The maxima of windows over the result of a convolution, which need not be in memory for it.
 * Inputs: those of the convolution. Each function rounds as it does on its own.
 *
 * @param conv a {@link Conv2d}, or an {@link Epilogue} of one
 * @param pool maxima, not averages
 */
public record PooledConv2d(Op conv, Pool2d pool) implements Composite {
  @Override
  public String name() {
    return conv.name() + "_" + pool.name();
  }

  /** The convolution without its epilogue, if this has one. */
  public Conv2d plain() {
    Op product = conv instanceof Epilogue epilogue ? epilogue.product() : conv;
    OpCheck.require(product instanceof Conv2d, name(), "needs a conv2d, found %s", product.name());
    return (Conv2d) product;
  }

  /** What is pooled: the result of the convolution. */
  public TensorSpec pooled(List<TensorSpec> inputs) {
    plain();
    return conv.infer(inputs).getFirst();
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.require(
        pool.fn() == Pool2d.Fn.MAX, name(), "needs a pool of maxima, found %s", pool.name());
    return pool.infer(List.of(pooled(inputs)));
  }

  @Override
  public <T> T decompose(OpBuilder<T> builder, List<T> inputs) {
    return builder.apply(pool, List.of(builder.apply(conv, inputs)));
  }
}
