package io.quern.cpu.math;

import io.quern.cpu.Simd;
import io.quern.runtime.Raw;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * One vector of memory per thread, through which {@link VectorMath} hands rare lanes to scalar
 * code. Results come back as an address, not as a vector: where vectors of two branches meet, C2
 * may keep them as objects on the heap.
 */
final class Scratch {
  /** Memory that may be loaded from and holds nothing. */
  static final long NONE = Arena.global().allocate(Simd.BYTES, Simd.BYTES).address();

  private static final ThreadLocal<MemorySegment> OWN =
      ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(Simd.BYTES, Simd.BYTES));

  private Scratch() {}

  /** This thread's memory. */
  static long address() {
    return OWN.get().address();
  }

  /** Replaces a vector's floats by their sines. */
  static void sin(long address) {
    for (long at = address; at < address + Simd.BYTES; at += 4) {
      Raw.putFloat(at, ScalarMath.sin(Raw.getFloat(at)));
    }
  }

  /** Replaces a vector's floats by their cosines. */
  static void cos(long address) {
    for (long at = address; at < address + Simd.BYTES; at += 4) {
      Raw.putFloat(at, ScalarMath.cos(Raw.getFloat(at)));
    }
  }
}
