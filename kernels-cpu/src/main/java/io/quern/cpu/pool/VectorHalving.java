package io.quern.cpu.pool;

import static io.quern.cpu.Simd.BYTES;
import static io.quern.cpu.Simd.F32;
import static io.quern.cpu.Simd.LANES;
import static io.quern.runtime.Raw.ALL;
import static io.quern.runtime.Raw.ORDER;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShuffle;

/** By vectors of columns; neighbours meet by permutations. */
final class VectorHalving extends Halving {
  private static final VectorShuffle<Float> SWAP = VectorShuffle.fromOp(F32, i -> i ^ 1);
  private static final VectorShuffle<Float> TWICE = VectorShuffle.fromOp(F32, i -> i / 2);
  private static final VectorShuffle<Float> EVENS = VectorShuffle.fromOp(F32, i -> 2 * i % LANES);
  private static final VectorMask<Float> LEFT_COLUMNS =
      VectorMask.fromLong(F32, 0x5555_5555_5555_5555L);

  @Override
  void max(long top, long bottom, long n, long to) {
    for (long at = 0; at < 8 * n; at += BYTES) {
      VectorMask<Float> columns = F32.indexInRange(0, 2 * n - at / 4);
      VectorMask<Float> windows = F32.indexInRange(0, Math.min(LANES / 2, n - at / 8));
      FloatVector upper = FloatVector.fromMemorySegment(F32, ALL, top + at, ORDER, columns);
      FloatVector lower = FloatVector.fromMemorySegment(F32, ALL, bottom + at, ORDER, columns);
      FloatVector rows = upper.max(lower);
      FloatVector max = rows.max(rows.rearrange(SWAP));
      max.rearrange(EVENS).intoMemorySegment(ALL, to + at / 2, ORDER, windows);
    }
  }

  @Override
  void grad(long top, long bottom, long gradient, long n, long toTop, long toBottom) {
    FloatVector zero = FloatVector.zero(F32);
    for (long at = 0; at < 8 * n; at += BYTES) {
      VectorMask<Float> columns = F32.indexInRange(0, 2 * n - at / 4);
      VectorMask<Float> windows = F32.indexInRange(0, Math.min(LANES / 2, n - at / 8));
      FloatVector upper = FloatVector.fromMemorySegment(F32, ALL, top + at, ORDER, columns);
      FloatVector lower = FloatVector.fromMemorySegment(F32, ALL, bottom + at, ORDER, columns);
      FloatVector g =
          FloatVector.fromMemorySegment(F32, ALL, gradient + at / 2, ORDER, windows)
              .rearrange(TWICE);
      FloatVector rows = upper.max(lower);
      FloatVector max = rows.max(rows.rearrange(SWAP));
      // 1 where an element is the maximum, or NaN; the other column's by a permutation.
      VectorMask<Float> hitsUpper =
          upper.compare(VectorOperators.EQ, max).or(upper.compare(VectorOperators.NE, upper));
      VectorMask<Float> hitsLower =
          lower.compare(VectorOperators.EQ, max).or(lower.compare(VectorOperators.NE, lower));
      FloatVector inUpper = zero.blend(1, hitsUpper);
      FloatVector inLower = zero.blend(1, hitsLower);
      FloatVector besideUpper = inUpper.rearrange(SWAP);
      FloatVector besideLower = inLower.rearrange(SWAP);
      VectorMask<Float> firstUpper =
          hitsUpper.and(LEFT_COLUMNS.or(besideUpper.compare(VectorOperators.EQ, 0)));
      VectorMask<Float> firstLower =
          hitsLower
              .and(LEFT_COLUMNS.or(besideLower.compare(VectorOperators.EQ, 0)))
              .and(inUpper.add(besideUpper).compare(VectorOperators.EQ, 0));
      zero.blend(g, firstUpper).intoMemorySegment(ALL, toTop + at, ORDER, columns);
      zero.blend(g, firstLower).intoMemorySegment(ALL, toBottom + at, ORDER, columns);
    }
  }
}
