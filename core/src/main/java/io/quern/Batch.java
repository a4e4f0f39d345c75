package io.quern;

import java.util.Objects;

/**
 * What one training step consumes: examples and what is expected for them. Example {@code i} is row
 * {@code i} along axis 0 of both tensors.
 *
 * @param input the examples, [n, ...]
 * @param target the expected outputs, such as class indices [n] or values [n, ...]
 */
public record Batch(Tensor input, Tensor target) implements AutoCloseable {
  /** Pairs two tensors, which the batch then owns. */
  public Batch {
    Objects.requireNonNull(input, "batch: input is null");
    Objects.requireNonNull(target, "batch: target is null");
  }

  /** Number of examples. */
  public long size() {
    return input.dim(0);
  }

  /** Closes both tensors. */
  @Override
  public void close() {
    input.close();
    target.close();
  }
}
