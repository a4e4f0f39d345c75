package io.quern.cpu.conv;

import static io.quern.cpu.asm.VectorOp.VADDPS;
import static io.quern.cpu.asm.VectorOp.VBROADCASTSS;
import static io.quern.cpu.asm.VectorOp.VFMADD231PS;
import static io.quern.cpu.asm.VectorOp.VMOVUPS;

import io.quern.cpu.asm.Assembler;
import io.quern.cpu.asm.Mask;
import io.quern.cpu.asm.Mem;
import io.quern.cpu.asm.Vec;
import org.jspecify.annotations.Nullable;

/**
 * The filters of depthwise convolutions of one shape as machine code: weights stay in registers,
 * rows of results go where they belong. The sums are those of {@link DepthwiseMath#filter}. The
 * operands are weights, a bias for each filter, and results.
 */
final class MachineFilter extends PlaneCode {
  private final int[] offsets;
  private final int taps;
  private final int resultBytes;

  /** Filters that are computed at a time. */
  private final int filters;

  private MachineFilter(DepthwisePlane plane, int[] offsets, int resultBytes, int filters) {
    super(plane);
    this.offsets = offsets;
    this.taps = offsets.length;
    this.resultBytes = resultBytes;
    this.filters = filters;
  }

  /**
   * The code for a plane, or null where there is none.
   *
   * @param offsets where each tap finds its elements, in bytes
   * @param resultBytes from a result to the next one
   */
  static @Nullable Pair of(DepthwisePlane plane, int[] offsets, long resultBytes) {
    return place(
        "filters",
        plane,
        offsets,
        resultBytes,
        count -> new MachineFilter(plane, offsets, (int) resultBytes, count).write(),
        count -> count * (offsets.length + 2) + 1);
  }

  private Vec weight(int filter, int tap) {
    return vec(filter * taps + tap);
  }

  private Vec bias(int filter) {
    return vec(filters * taps + filter);
  }

  private Vec sum(int filter) {
    return vec(filters * (taps + 1) + filter);
  }

  private Vec loaded() {
    return vec(filters * (taps + 2));
  }

  private Assembler write() {
    for (int filter = 0; filter < filters; filter++) {
      for (int tap = 0; tap < taps; tap++) {
        asm.op(VBROADCASTSS, weight(filter, tap), Mem.at(SECOND, 4 * (filter * taps + tap)));
      }
      asm.op(VBROADCASTSS, bias(filter), Mem.at(THIRD, 4 * filter));
    }
    rows(this::filter);
    return end();
  }

  private void filter(int offset, Mask mask) {
    for (int filter = 0; filter < filters; filter++) {
      clear(sum(filter));
    }
    for (int tap = 0; tap < taps; tap++) {
      asm.op(VMOVUPS, loaded(), inPlane(offsets[tap] + offset));
      for (int filter = 0; filter < filters; filter++) {
        asm.op(VFMADD231PS, sum(filter), weight(filter, tap), loaded());
      }
    }
    for (int filter = 0; filter < filters; filter++) {
      asm.op(VADDPS, sum(filter), sum(filter), bias(filter));
      Mem to = inDense(filter * resultBytes + offset);
      asm.op(VMOVUPS, to, sum(filter).masked(mask));
      asm.prefetch(to.plus(filters * resultBytes));
    }
  }
}
