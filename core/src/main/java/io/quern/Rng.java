package io.quern;

import io.quern.op.Random;
import io.quern.op.TensorSpec;
import io.quern.runtime.Philox;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A source of random tensors that is fully described by two numbers, a seed and a counter. The bits
 * it gives depend on nothing else: neither on the device nor on the number of threads. Each draw
 * moves the counter on by one per four elements (Philox4x32-10, see {@link Random}).
 *
 * <p>Thread-safe; when several threads draw from one source, which thread gets which numbers
 * depends on their order, so give each its own {@link #fork}.
 */
public final class Rng {
  /** Upper counter words that keep the streams for tensors, forks and splits apart. */
  private static final long FORKS = 1;

  private static final long SPLITS = 2;

  private static final TensorSpec KEY = new TensorSpec(DType.I64, Shape.of(2));

  private final long seed;
  private final AtomicLong counter;

  private Rng(long seed, long counter) {
    this.seed = seed;
    this.counter = new AtomicLong(counter);
  }

  /** All there is to know about a source, for checkpoints. */
  public record State(long seed, long counter) {}

  /** A source that starts at the beginning of the stream of {@code seed}. */
  public static Rng of(long seed) {
    return new Rng(seed, 0);
  }

  /** A source that goes on where another one was when its state was read. */
  public static Rng of(State state) {
    return new Rng(state.seed, state.counter);
  }

  /** Where this source is. */
  public State state() {
    return new State(seed, counter.get());
  }

  /**
   * An independent source that depends on this one's seed and {@code stream} only, not on what was
   * drawn: the same stream gives the same source every time.
   */
  public Rng fork(long stream) {
    return derive(stream, FORKS);
  }

  /** An independent source, another one with each call. */
  public Rng split() {
    return derive(counter.getAndIncrement(), SPLITS);
  }

  private Rng derive(long low, long high) {
    int[] words = new int[4];
    Philox.block(seed, low, high, words);
    return new Rng((long) words[1] << 32 | (words[0] & 0xFFFFFFFFL), 0);
  }

  /** Uniform numbers in [0, 1) of dtype F32 on the CPU, multiples of 2^-24. */
  public Tensor uniform(long... shape) {
    return uniform(Shape.of(shape), 0, 1);
  }

  /** Uniform numbers from {@code low} to {@code high} of dtype F32 on the CPU. */
  public Tensor uniform(Shape shape, double low, double high) {
    return uniform(shape, low, high, DType.F32, Device.cpu());
  }

  /**
   * Uniform numbers from {@code low} to {@code high}, with 24 random bits.
   *
   * @throws IllegalArgumentException if the dtype is not a float type or low is more than high
   */
  public Tensor uniform(Shape shape, double low, double high, DType dtype, Device device) {
    if (!(low <= high)) {
      throw new IllegalArgumentException("uniform: low " + low + " is not at most high " + high);
    }
    return draw(Random.Distribution.UNIFORM, shape, high - low, low, dtype, device);
  }

  /** Normal numbers with mean 0 and variance 1 of dtype F32 on the CPU. */
  public Tensor normal(long... shape) {
    return normal(Shape.of(shape), 0, 1);
  }

  /** Normal numbers of dtype F32 on the CPU. */
  public Tensor normal(Shape shape, double mean, double deviation) {
    return normal(shape, mean, deviation, DType.F32, Device.cpu());
  }

  /**
   * Normal numbers with the given mean and standard deviation.
   *
   * @throws IllegalArgumentException if the dtype is not a float type or the deviation negative
   */
  public Tensor normal(Shape shape, double mean, double deviation, DType dtype, Device device) {
    if (!(deviation >= 0)) {
      throw new IllegalArgumentException(
          "normal: the deviation must be 0 or more, found " + deviation);
    }
    return draw(Random.Distribution.NORMAL, shape, deviation, mean, dtype, device);
  }

  private Tensor draw(
      Random.Distribution distribution,
      Shape shape,
      double scale,
      double shift,
      DType dtype,
      Device device) {
    Random op = new Random(distribution, new TensorSpec(dtype, shape));
    try (TensorScope scope = TensorScope.open("random numbers")) {
      Tensor key = Tensor.ofHost(KEY, device, target -> writeKey(shape.size(), target));
      Tensor drawn = Tensor.apply(op, device, key);
      Tensor scaled = scale == 1 ? drawn : drawn.mul(scale);
      if (scaled != drawn) {
        drawn.close(); // its memory is the result's, if there is a shift
      }
      return scope.keep(shift == 0 ? scaled : scaled.add(shift));
    }
  }

  private void writeKey(long elements, MemorySegment target) {
    target.set(ValueLayout.JAVA_LONG_UNALIGNED, 0, seed);
    target.set(ValueLayout.JAVA_LONG_UNALIGNED, 8, counter.getAndAdd((elements + 3) / 4));
  }

  /**
   * The numbers 0 to {@code count - 1} in random order, each order with the same probability
   * (Fisher-Yates). Moves the counter on by one.
   */
  public long[] permutation(int count) {
    if (count < 0) {
      throw new IllegalArgumentException(
          "permutation: the count must be 0 or more, found " + count);
    }
    Rng stream = split();
    long[] order = new long[count];
    long word = 0;
    for (int i = 0; i < count; i++) {
      // Lemire, "Fast random integer generation in an interval", 2019.
      long product;
      do {
        int lane = (int) (word & 3);
        long random = Philox.word(stream.seed, word++ >> 2, lane) & 0xFFFFFFFFL;
        product = random * (i + 1);
      } while ((product & 0xFFFFFFFFL) < (1L << 32) % (i + 1));
      int at = (int) (product >>> 32);
      order[i] = order[at];
      order[at] = i;
    }
    return order;
  }
}
