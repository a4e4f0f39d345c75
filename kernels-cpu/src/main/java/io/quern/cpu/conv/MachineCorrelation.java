package io.quern.cpu.conv;

import static io.quern.cpu.asm.VectorOp.VFMADD231PS;
import static io.quern.cpu.asm.VectorOp.VMOVUPS;

import io.quern.cpu.asm.Assembler;
import io.quern.cpu.asm.Mask;
import io.quern.cpu.asm.Mem;
import io.quern.cpu.asm.Vec;
import org.jspecify.annotations.Nullable;

/**
 * Correlations of planes with gradients of one shape as machine code: sums stay in registers. They
 * are those of {@link DepthwiseMath#correlate}. The operands are lanes of sums, nothing, and
 * gradients.
 */
final class MachineCorrelation extends PlaneCode {
  private final int[] offsets;
  private final int taps;
  private final int gradientBytes;

  /** Gradients that are taken at a time. */
  private final int gradients;

  private MachineCorrelation(DepthwisePlane plane, int gradientBytes, int gradients) {
    super(plane);
    this.offsets = plane.offsets();
    this.taps = offsets.length;
    this.gradientBytes = gradientBytes;
    this.gradients = gradients;
  }

  /**
   * The code for a plane, or null where there is none.
   *
   * @param gradientBytes from a gradient to the next one
   */
  static @Nullable Pair of(DepthwisePlane plane, long gradientBytes) {
    return place(
        "correlations",
        plane,
        plane.offsets(),
        gradientBytes,
        count -> new MachineCorrelation(plane, (int) gradientBytes, count).write(),
        count -> count * (plane.taps() + 1) + 1);
  }

  private Vec sum(int gradient, int tap) {
    return vec(gradient * taps + tap);
  }

  private Vec gradient(int number) {
    return vec(gradients * taps + number);
  }

  private Vec loaded() {
    return vec(gradients * (taps + 1));
  }

  private Assembler write() {
    for (int sum = 0; sum < gradients * taps; sum++) {
      asm.op(VMOVUPS, vec(sum), Mem.at(SECOND, sum * BYTES));
    }
    rows(this::correlate);
    for (int sum = 0; sum < gradients * taps; sum++) {
      asm.op(VMOVUPS, Mem.at(SECOND, sum * BYTES), vec(sum));
    }
    return end();
  }

  private void correlate(int offset, Mask mask) {
    for (int i = 0; i < gradients; i++) {
      Mem from = inDense(i * gradientBytes + offset);
      asm.op(VMOVUPS, mask.equals(Mask.ALL) ? gradient(i) : gradient(i).zeroed(mask), from);
      asm.prefetch(from.plus(gradients * gradientBytes));
    }
    for (int tap = 0; tap < taps; tap++) {
      asm.op(VMOVUPS, loaded(), inPlane(offsets[tap] + offset));
      for (int i = 0; i < gradients; i++) {
        asm.op(VFMADD231PS, sum(i, tap).masked(mask), gradient(i), loaded());
      }
    }
  }
}
