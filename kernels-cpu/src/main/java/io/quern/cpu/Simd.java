package io.quern.cpu;

import io.quern.runtime.Raw;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * The species of all float kernels, and raw loads and stores. Loaded only when {@link VectorTier}
 * has chosen vectors.
 */
public final class Simd {
  /** Float vectors of the chosen width. */
  public static final VectorSpecies<Float> F32 =
      VectorSpecies.of(
          float.class,
          VectorShape.forBitSize(Math.max(128, VectorTier.chosen().bits())));

  /** Floats in a vector. */
  public static final int LANES = F32.length();

  /** Bytes of a vector. */
  public static final int BYTES = 4 * LANES;

  private Simd() {}

  /** Loads a vector from an address. */
  public static FloatVector load(long address) {
    return FloatVector.fromMemorySegment(F32, Raw.ALL, address, Raw.ORDER);
  }

  /** Loads the lanes that are set in {@code mask}; the others are 0. */
  public static FloatVector load(long address, VectorMask<Float> mask) {
    return FloatVector.fromMemorySegment(F32, Raw.ALL, address, Raw.ORDER, mask);
  }

  /** Stores a vector. */
  public static void store(FloatVector vector, long address) {
    vector.intoMemorySegment(Raw.ALL, address, Raw.ORDER);
  }

  /** Stores the lanes that are set in {@code mask}. */
  public static void store(FloatVector vector, long address, VectorMask<Float> mask) {
    vector.intoMemorySegment(Raw.ALL, address, Raw.ORDER, mask);
  }

  /** Mask of the first {@code count} lanes. */
  public static VectorMask<Float> first(long count) {
    return F32.indexInRange(0, count);
  }
}
