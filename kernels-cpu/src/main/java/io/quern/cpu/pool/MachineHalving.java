package io.quern.cpu.pool;

import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.MachineFunction;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * By machine code, for processes that have it, of floats or BF16. Rows of less than a vector of
 * windows are computed as if they were longer where what is beyond them is computed later.
 */
final class MachineHalving extends Halving {
  private static final int LANES = 16;

  private final boolean ofBrainFloats;
  private final int bytes;
  private final MachineFunction max;
  private final MachineFunction narrowMax;
  private final MachineFunction grad;
  private final MachineFunction narrowGrad;
  private final Arena owner = Arena.ofAuto();
  private final MemorySegment numbers =
      owner
          .allocate(4L * HalvingCode.NUMBERS.length, 64)
          .copyFrom(MemorySegment.ofArray(HalvingCode.NUMBERS));

  /** Of BF16 or floats. */
  MachineHalving(boolean ofBrainFloats) {
    this.ofBrainFloats = ofBrainFloats;
    this.bytes = ofBrainFloats ? 2 : 4;
    this.max = place("max", false, false);
    this.narrowMax = place("narrow_max", false, true);
    this.grad = place("grad", true, false);
    this.narrowGrad = place("narrow_grad", true, true);
  }

  private MachineFunction place(String name, boolean gradient, boolean masked) {
    return MachineTier.place(
        "halving_" + name + (ofBrainFloats ? "_bf16" : ""),
        HalvingCode.of(ofBrainFloats, gradient, masked));
  }

  @Override
  void max(long from, long row, long rows, long n, long to) {
    run(max, narrowMax, true, from, row, rows, n, to, 0);
  }

  @Override
  void grad(long from, long row, long rows, long n, long gradient, long to) {
    // The last column of an odd number keeps its zeros.
    run(grad, narrowGrad, row == 2L * bytes * n, from, row, rows, n, gradient, to);
  }

  private void run(
      MachineFunction wide,
      MachineFunction narrow,
      boolean mayGoBeyond,
      long from,
      long row,
      long rows,
      long n,
      long windows,
      long to) {
    if (n == 0) {
      return;
    }
    if (n >= LANES) {
      long last = n % LANES == 0 ? -1 : bytes * (n - LANES);
      call(wide, from, row, rows, bytes * (n / LANES * LANES), last, n, windows, to);
      return;
    }
    long whole = mayGoBeyond ? wholeRows(rows, n, row / bytes, LANES) : 0;
    call(wide, from, row, whole, (long) bytes * LANES, -1, n, windows, to);
    long done = 2 * whole * row;
    long columns = (1L << (ofBrainFloats ? n : 2 * n)) - 1;
    long ofRow = (1L << n) - 1;
    long left = windows + bytes * whole * n;
    call(narrow, from + done, row, rows - whole, columns, ofRow, n, left, to + done);
  }

  private void call(
      MachineFunction code,
      long from,
      long row,
      long rows,
      long whole,
      long last,
      long n,
      long windows,
      long to) {
    if (rows <= 0) {
      return;
    }
    code.call(from, row, rows, whole, last, bytes * n, numbers.address(), windows, to);
  }
}
