package io.quern.cpu.reduce;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.Assembler;
import io.quern.op.Reduce;
import io.quern.runtime.Raw;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.Locale;
import java.util.function.Function;

/** Folds by machine code, for processes that have it. */
final class MachineRunReduce extends RunReduce {
  private static final int VECTOR = 16;
  private static final MethodHandle ACCUMULATE =
      MachineTier.function(FunctionDescriptor.ofVoid(JAVA_LONG, JAVA_LONG, JAVA_LONG));
  private static final MethodHandle RUN =
      MachineTier.function(FunctionDescriptor.of(JAVA_FLOAT, JAVA_LONG, JAVA_LONG));
  private static final MethodHandle ADD_ROW =
      MachineTier.function(FunctionDescriptor.ofVoid(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG));
  private static final MethodHandle ADD_COLUMN =
      MachineTier.function(
          FunctionDescriptor.ofVoid(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG));

  private final float neutral;
  private final MemorySegment accumulate;
  private final MemorySegment run;
  private final MemorySegment lanes;
  private final MemorySegment addRow;
  private final MemorySegment addColumn;

  MachineRunReduce(Reduce.Fn fn) {
    this.neutral = neutral(fn);
    this.accumulate = place(fn, "accumulate", RunCode::accumulate);
    this.run = place(fn, "run", RunCode::run);
    this.lanes = place(fn, "lanes", RunCode::lanes);
    this.addRow = place(fn, "row", RunCode::addRow);
    this.addColumn = place(fn, "column", RunCode::addColumn);
  }

  private static MemorySegment place(
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
    return n > 0 && n % LANES == 0 ? fold(run, from, 4 * n) : super.run(from, n, scratch);
  }

  @Override
  public float foldLanes(long from) {
    return fold(lanes, from, 0);
  }

  private static float fold(MemorySegment code, long from, long bytes) {
    try {
      return (float) RUN.invokeExact(code, from, bytes);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  @Override
  public void accumulate(long from, long n, long to) {
    if (n == 0) {
      return;
    }
    try {
      ACCUMULATE.invokeExact(accumulate, from, 4 * n, to);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  @Override
  public void addRow(long from, long n, long to) {
    long whole = n / VECTOR * VECTOR;
    long rest = (1L << n - whole) - 1;
    try {
      ADD_ROW.invokeExact(addRow, from, 4 * whole, to, rest);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
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
      try {
        ADD_COLUMN.invokeExact(addColumn, from + 4 * i, 4 * n, to + 4 * i, count, bits);
      } catch (Throwable e) {
        throw new AssertionError(e);
      }
    }
  }
}
