package io.quern.cpu.reduce;

import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.Assembler;
import io.quern.cpu.asm.MachineFunction;
import io.quern.op.Reduce;
import io.quern.runtime.Raw;
import java.util.Locale;
import java.util.function.Function;

/** Folds by machine code, for processes that have it. */
final class MachineRunReduce extends RunReduce {
  private static final int VECTOR = 16;

  private final float neutral;
  private final MachineFunction accumulate;
  private final MachineFunction runs;
  private final MachineFunction lanes;
  private final MachineFunction addRow;
  private final MachineFunction addColumn;

  MachineRunReduce(Reduce.Fn fn) {
    this.neutral = neutral(fn);
    this.accumulate = place(fn, "accumulate", RunCode::accumulate);
    this.runs = place(fn, "runs", RunCode::runs);
    this.lanes = place(fn, "lanes", RunCode::lanes);
    this.addRow = place(fn, "row", RunCode::addRow);
    this.addColumn = place(fn, "column", RunCode::addColumn);
  }

  private static MachineFunction place(
      Reduce.Fn fn, String what, Function<RunCode, Assembler> function) {
    String name = fn.name().toLowerCase(Locale.ROOT) + " of " + what;
    return MachineTier.place(name, function.apply(new RunCode(fn)));
  }

  @Override
  public void clear(long scratch) {
    for (long lane = 0; lane < SCRATCH; lane += 4) {
      Raw.putFloat(scratch + lane, neutral);
    }
  }

  @Override
  public float run(long from, long n, long scratch) {
    runs(from, n, 1, scratch, scratch);
    return Raw.getFloat(scratch);
  }

  @Override
  public void runs(long from, long n, long count, long to, long scratch) {
    if (count > 0) {
      long whole = n / LANES * LANES;
      runs.call(from, 4 * whole, to, count, 4 * n, (1L << (n - whole)) - 1);
    }
  }

  @Override
  public float foldLanes(long from) {
    return Float.intBitsToFloat((int) lanes.call(from));
  }

  @Override
  public void accumulate(long from, long n, long to) {
    if (n == 0) {
      return;
    }
    accumulate.call(from, 4 * n, to);
  }

  @Override
  public void addRow(long from, long n, long to) {
    long whole = n / VECTOR * VECTOR;
    long rest = (1L << (n - whole)) - 1;
    addRow.call(from, 4 * whole, to, rest);
  }

  @Override
  void addRest(long from, long n, long to) {
    addRow(from, n, to);
  }

  /** Of narrow rows some columns after the other: their accumulators stay in registers. */
  @Override
  void addRows(long from, long n, long count, long to) {
    if (n >= LANES || count == 0) {
      super.addRows(from, n, count, to);
      return;
    }
    for (long i = 0; i < n; i += VECTOR) {
      long bits = (1L << Math.min(VECTOR, n - i)) - 1;
      addColumn.call(from + 4 * i, 4 * n, to + 4 * i, count, bits);
    }
  }
}
