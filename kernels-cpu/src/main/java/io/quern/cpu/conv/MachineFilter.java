package io.quern.cpu.conv;

import static io.quern.cpu.asm.VectorOp.VADDPS;
import static io.quern.cpu.asm.VectorOp.VBROADCASTSS;
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
 * The filters of depthwise convolutions of one shape as machine code. Weights stay in registers,
 * rows of results go where they belong. The sums are those of {@link DepthwiseMath#filter}.
 * Thread-safe.
 */
final class MachineFilter {
  private final DepthwisePlane plane;
  private final int[] offsets;
  private final long resultBytes;
  private final MemorySegment one;

  /** Two results at a time, if there are registers for both. */
  private final @Nullable MemorySegment two;

  private MachineFilter(DepthwisePlane plane, int[] offsets, long resultBytes) {
    this.plane = plane;
    this.offsets = offsets;
    this.resultBytes = resultBytes;
    this.one = place(1);
    this.two = registers(offsets.length, 2) <= PlaneCode.REGISTERS ? place(2) : null;
  }

  /**
   * Code for a plane, or null where there is none.
   *
   * @param offsets where each tap finds its elements, in bytes
   * @param resultBytes from a result to the next one
   */
  static @Nullable MachineFilter of(DepthwisePlane plane, int[] offsets, long resultBytes) {
    boolean covered =
        MachineTier.has512Bits()
            && registers(offsets.length, 1) <= PlaneCode.REGISTERS
            && resultBytes < Integer.MAX_VALUE / 2
            && plane.columns() > 0;
    return covered ? new MachineFilter(plane, offsets, resultBytes) : null;
  }

  private static int registers(int taps, int results) {
    return results * (taps + 2) + 1;
  }

  private MemorySegment place(int results) {
    String name =
        "%d filters of %d taps, %dx%d"
            .formatted(results, offsets.length, plane.rows(), plane.columns());
    return MachineTier.place(name, new Code(results).write());
  }

  /**
   * Filters a plane some times.
   *
   * @param weights address of a float for each tap of each filter
   * @param bias address of a float for each filter
   * @param to address of rows for each filter
   */
  void run(long plane, long weights, long bias, long to, int count) {
    long weightBytes = 4L * offsets.length;
    int done = 0;
    for (; two != null && done + 2 <= count; done += 2) {
      PlaneCode.call(
          two, plane, weights + done * weightBytes, bias + 4L * done, to + done * resultBytes);
    }
    for (; done < count; done++) {
      PlaneCode.call(
          one, plane, weights + done * weightBytes, bias + 4L * done, to + done * resultBytes);
    }
  }

  /** The code of so many results at a time; operands are weights, bias, and results. */
  private final class Code extends PlaneCode {
    private final int results;
    private final int taps = offsets.length;

    Code(int results) {
      super(plane);
      this.results = results;
    }

    private Vec weight(int result, int tap) {
      return vec(result * taps + tap);
    }

    private Vec bias(int result) {
      return vec(results * taps + result);
    }

    private Vec sum(int result) {
      return vec(results * (taps + 1) + result);
    }

    private Vec loaded() {
      return vec(results * (taps + 2));
    }

    Assembler write() {
      for (int result = 0; result < results; result++) {
        for (int tap = 0; tap < taps; tap++) {
          asm.op(VBROADCASTSS, weight(result, tap), Mem.at(SECOND, 4 * (result * taps + tap)));
        }
        asm.op(VBROADCASTSS, bias(result), Mem.at(THIRD, 4 * result));
      }
      rows(this::filter);
      end();
      return asm;
    }

    private void filter(int offset, Mask mask) {
      for (int result = 0; result < results; result++) {
        clear(sum(result));
      }
      for (int tap = 0; tap < taps; tap++) {
        asm.op(VMOVUPS, loaded(), inPlane(offsets[tap] + offset));
        for (int result = 0; result < results; result++) {
          asm.op(VFMADD231PS, sum(result), weight(result, tap), loaded());
        }
      }
      for (int result = 0; result < results; result++) {
        asm.op(VADDPS, sum(result), sum(result), bias(result));
        Mem to = inDense((int) (result * resultBytes) + offset);
        asm.op(VMOVUPS, to, sum(result).masked(mask));
        asm.prefetch(to.plus((int) (results * resultBytes)));
      }
    }
  }
}
