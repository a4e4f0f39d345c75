package io.quern.cpu;

import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * The species of all float kernels. Loaded only when {@link VectorTier} has chosen vectors.
 *
 * <p>Kernels load and store by {@code fromMemorySegment} and {@code intoMemorySegment} themselves:
 * a method of our own around them is not always inlined, and then its vectors are objects.
 */
public final class Simd {
  /** Float vectors of the chosen width. */
  public static final VectorSpecies<Float> F32 =
      VectorSpecies.of(
          float.class, VectorShape.forBitSize(Math.max(128, VectorTier.chosen().bits())));

  /** Floats in a vector. */
  public static final int LANES = F32.length();

  /** Bytes of a vector. */
  public static final int BYTES = 4 * LANES;

  private Simd() {}
}
