package io.quern.nn;

import io.quern.Rng;
import io.quern.Tensor;

/**
 * A table of vectors: indices (I64 or I32) of any shape [..] -> [.., dim]. Weight: {@code weight}
 * [count, dim], normal at first. An index that is not in [0, count) throws {@link
 * IndexOutOfBoundsException}.
 */
public final class Embedding extends Module {
  private final long count;
  private final long dim;
  private final Weight weight;

  private Embedding(long count, long dim, Init init) {
    this.count = Check.positive("embedding", "count", count);
    this.dim = Check.positive("embedding", "dim", dim);
    this.weight = parameter("weight", init.normal("weight", count, dim));
  }

  /** A table of {@code count} vectors of length {@code dim}. */
  public static Embedding of(long count, long dim, Rng rng) {
    return new Embedding(count, dim, Init.random(rng));
  }

  static Embedding from(Arguments arguments, Init init) {
    return new Embedding(arguments.whole("count"), arguments.whole("dim"), init);
  }

  @Override
  LayerSpec spec() {
    return LayerSpec.of("Embedding", "count", count, "dim", dim);
  }

  @Override
  public Tensor forward(Tensor input, Mode mode) {
    return mode.cast(weight.value().gather(0, input));
  }
}
