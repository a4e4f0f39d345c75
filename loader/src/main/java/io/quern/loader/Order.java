package io.quern.loader;

import java.util.function.LongFunction;
import java.util.function.LongUnaryOperator;

/**
 * Which example comes at which position: a pure function of epoch and position, so that any
 * position can be asked for at once and no state needs to be kept.
 *
 * @param size number of positions, the same in every epoch
 * @param inEpoch gives, for an epoch, the function from position to example
 */
record Order(long size, LongFunction<LongUnaryOperator> inEpoch) {
  /** Examples as they lie. */
  static Order sequential(long size) {
    return new Order(size, epoch -> LongUnaryOperator.identity());
  }

  /** The positions {@code from} (inclusive) to {@code to} (exclusive) of this order. */
  Order range(long from, long to) {
    return new Order(to - from, epoch -> inEpoch.apply(epoch).compose(i -> from + i));
  }

  /** This order, permuted in another way in each epoch. */
  Order shuffled(long seed) {
    return new Order(
        size, epoch -> inEpoch.apply(epoch).compose(new Permutation(size, seed, epoch)::at));
  }
}
