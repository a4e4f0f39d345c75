package io.quern.cpu.conv;

import static io.quern.cpu.asm.VectorOp.VFMADD231PS;
import static io.quern.cpu.asm.VectorOp.VMOVUPS;

import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.Assembler;
import io.quern.cpu.asm.Mask;
import io.quern.cpu.asm.Mem;
import io.quern.cpu.asm.Vec;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Correlations of planes with gradients of one shape as machine code, whose sums stay in registers.
 * They are those of {@link DepthwiseMath#correlate}. Thread-safe.
 */
final class MachineCorrelation {
  private final DepthwisePlane plane;
  private final int[] offsets;
  private final long gradientBytes;
  private final MemorySegment one;

  /** Two gradients at a time, if there are registers for both. */
  private final @Nullable MemorySegment two;

  private MachineCorrelation(DepthwisePlane plane, int[] offsets, long gradientBytes) {
    this.plane = plane;
    this.offsets = offsets;
    this.gradientBytes = gradientBytes;
    this.one = place(1);
    this.two = registers(offsets.length, 2) <= PlaneCode.REGISTERS ? place(2) : null;
  }

  /**
   * Code for a plane, or null where there is none.
   *
   * @param gradientBytes from a gradient to the next one
   */
  static @Nullable MachineCorrelation of(DepthwisePlane plane, long gradientBytes) {
    int[] offsets = plane.offsets();
    boolean covered =
        MachineTier.has512Bits()
            && registers(offsets.length, 1) <= PlaneCode.REGISTERS
            && gradientBytes < Integer.MAX_VALUE / 2
            && plane.columns() > 0;
    return covered ? new MachineCorrelation(plane, offsets, gradientBytes) : null;
  }

  private static int registers(int taps, int gradients) {
    return gradients * (taps + 1) + 1;
  }

  private MemorySegment place(int gradients) {
    String name =
        "%d correlations of %d taps, %dx%d"
            .formatted(gradients, offsets.length, plane.rows(), plane.columns());
    return MachineTier.place(name, new Code(gradients).write());
  }

  /**
   * Correlates a plane with some gradients.
   *
   * @param gradients address of rows for each of them
   * @param lanes address of the lanes of each tap of each of them
   */
  void run(long plane, long gradients, long lanes, int count) {
    long laneBytes = 4L * DepthwiseMath.LANES * offsets.length;
    int done = 0;
    for (; two != null && done + 2 <= count; done += 2) {
      PlaneCode.call(two, plane, lanes + done * laneBytes, 0, gradients + done * gradientBytes);
    }
    for (; done < count; done++) {
      PlaneCode.call(one, plane, lanes + done * laneBytes, 0, gradients + done * gradientBytes);
    }
  }

  /** The code of so many gradients at a time; operands are lanes, nothing, and gradients. */
  private final class Code extends PlaneCode {
    private final int gradients;
    private final int taps = offsets.length;

    Code(int gradients) {
      super(plane);
      this.gradients = gradients;
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

    Assembler write() {
      for (int sum = 0; sum < gradients * taps; sum++) {
        asm.op(VMOVUPS, vec(sum), Mem.at(SECOND, sum * BYTES));
      }
      rows(this::correlate);
      for (int sum = 0; sum < gradients * taps; sum++) {
        asm.op(VMOVUPS, Mem.at(SECOND, sum * BYTES), vec(sum));
      }
      end();
      return asm;
    }

    private void correlate(int offset, Mask mask) {
      for (int i = 0; i < gradients; i++) {
        Mem from = inDense((int) (i * gradientBytes) + offset);
        asm.op(VMOVUPS, mask.equals(Mask.ALL) ? gradient(i) : gradient(i).zeroed(mask), from);
        asm.prefetch(from.plus((int) (gradients * gradientBytes)));
      }
      for (int tap = 0; tap < taps; tap++) {
        asm.op(VMOVUPS, loaded(), inPlane(offsets[tap] + offset));
        for (int i = 0; i < gradients; i++) {
          asm.op(VFMADD231PS, sum(i, tap).masked(mask), gradient(i), loaded());
        }
      }
    }
  }
}
