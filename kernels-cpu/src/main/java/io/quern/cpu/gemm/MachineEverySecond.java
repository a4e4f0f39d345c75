package io.quern.cpu.gemm;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.MachineFunction;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** By machine code, for processes that have it. */
final class MachineEverySecond extends EverySecond {
  private static final int LANES = 16;

  private final MachineFunction code =
      MachineTier.place("every_second", new MoveCode().everySecond());
  private final Arena owner = Arena.ofAuto();
  private final MemorySegment evens = owner.allocate(4L * LANES, 64);

  MachineEverySecond() {
    for (int i = 0; i < LANES; i++) {
      evens.setAtIndex(JAVA_INT, i, 2 * i);
    }
  }

  @Override
  public void copy(long from, long count, long to) {
    copyRows(from, 0, to, 0, 1, count);
  }

  @Override
  public void copyRows(long from, long fromRow, long to, long toRow, long rows, long count) {
    if (count == 0) {
      return;
    }
    long read = 2 * count - 1; // nothing is read behind the last element
    long whole = read / (2 * LANES);
    int rest = (int) (read - whole * 2 * LANES);
    long ofFirst = bits(Math.min(rest, LANES));
    long ofSecond = bits(Math.max(0, rest - LANES));
    long masks = ofFirst | (ofSecond << LANES) | (bits((rest + 1) / 2) << (2 * LANES));
    code.call(from, fromRow, to, toRow, rows, 4 * LANES * whole, masks, evens.address());
  }

  private static long bits(int count) {
    return (1L << count) - 1;
  }
}
