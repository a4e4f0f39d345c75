package io.quern.cpu.fused;

import io.quern.Shape;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.cpu.Twins;
import io.quern.cpu.elementwise.Gatherer;
import io.quern.op.Layout;
import io.quern.op.ScalarProgram;
import io.quern.runtime.Raw;
import org.jspecify.annotations.Nullable;

/**
 * A chain of elementwise functions of F32 over operands of any layout, which gives any part of its
 * result in row-major order. Where the innermost dimension is long and every operand either runs
 * along it or stays, the loop reads operands in place; otherwise those that are not in the result's
 * order are gathered tile by tile. Immutable and thread-safe.
 */
public final class Chain {
  private static final int TILE = 1024;

  /** Runs shorter than this cost more to begin than gathering does. */
  private static final int SHORTEST_RUN = 24;

  /** What happens to the result. */
  public enum Use {
    STORED,
    /** Stored past the caches. */
    STREAMED,
    /** Added up, or stored where that is not possible. */
    SUMMED
  }

  private final Iteration iteration;
  private final Twins<FusedLoop> loop;
  private final int inputs;
  private final boolean inPlace;
  private final boolean streams;
  private final boolean[] uniform;
  private final @Nullable Gatherer[] gatherers;
  private final @Nullable MachineSum sum;

  /**
   * The chain over the inputs of {@code key}, whose result has a certain shape.
   *
   * @param use what happens to the result
   */
  public Chain(ScalarProgram program, KernelKey key, Shape shape, Use use) {
    this.inputs = key.inputs();
    Layout[] layouts = new Layout[inputs];
    for (int i = 0; i < inputs; i++) {
      layouts[i] = key.layout(i);
    }
    this.iteration = new Iteration(layouts, shape);
    boolean runs = iteration.inner() >= SHORTEST_RUN || iteration.inner() == shape.size();
    this.uniform = new boolean[inputs];
    for (int i = 0; i < inputs; i++) {
      uniform[i] = iteration.innerStride(i) == 0;
      runs &= uniform[i] || iteration.innerStride(i) == 4;
    }
    this.inPlace = runs;
    this.streams = use == Use.STREAMED;
    this.gatherers = new Gatherer[inputs];
    for (int i = 0; i < inputs && !inPlace; i++) {
      boolean plain = layouts[i].isContiguous() && layouts[i].shape().equals(shape);
      uniform[i] = layouts[i].shape().size() == 1;
      gatherers[i] = plain || uniform[i] ? null : new Gatherer(layouts[i], shape, 4);
    }
    this.loop = FusedLoops.of(program, uniform);
    this.sum = use == Use.SUMMED && inPlace ? FusedLoops.sum(program, uniform).orElse(null) : null;
  }

  /** Waits for the fast loop. */
  public boolean warmUp() {
    return loop.await();
  }

  /** Bytes of memory that {@link #run} needs, a multiple of the line of a cache. */
  public long scratchBytes() {
    return tableBytes() + (inPlace ? 0 : 4L * TILE * inputs);
  }

  private long tableBytes() {
    return 64L * ((8L * (inputs + 1) + 63) / 64);
  }

  /**
   * Computes {@code n} elements of the result.
   *
   * @param first number of the first of them in row-major order
   * @param to where they go
   * @param scratch address of {@link #scratchBytes} bytes to write to
   */
  public void run(Operands operands, long first, long n, long to, long scratch) {
    if (inPlace) {
      runs(operands, first, n, to, scratch);
    } else {
      tiles(operands, first, n, to, scratch);
    }
  }

  private void runs(Operands operands, long first, long n, long to, long table) {
    FusedLoop now = loop.get();
    long run = first / iteration.inner();
    long start = first - run * iteration.inner();
    for (long done = 0; done < n; run++) {
      long count = Math.min(iteration.inner() - start, n - done);
      fill(table, operands, run, start, to + 4 * done);
      if (streams) {
        now.stream(table, count);
      } else {
        now.run(table, count);
      }
      done += count;
      start = 0;
    }
  }

  private void fill(long table, Operands operands, long run, long start, long to) {
    for (int i = 0; i < inputs; i++) {
      long address = operands.address(i) + iteration.offset(i, run);
      Raw.putLong(table + 8L * i, address + start * iteration.innerStride(i));
    }
    Raw.putLong(table + 8L * inputs, to);
  }

  /**
   * Adds elements of the result, as {@link #run} would give them, to two sets of 64 lanes: element
   * i to lane {@code i % 64}, of the second set when it lies beyond a multiple of 64 elements.
   *
   * @return whether it did; if not, nothing has happened
   */
  public boolean add(Operands operands, long first, long n, long lanes, long scratch) {
    long run = first / iteration.inner();
    long start = first - run * iteration.inner();
    if (sum == null || start + n > iteration.inner()) {
      return false;
    }
    fill(scratch, operands, run, start, lanes);
    sum.run(scratch, n);
    return true;
  }

  private void tiles(Operands operands, long first, long n, long to, long table) {
    FusedLoop now = loop.get();
    for (long done = 0; done < n; done += TILE) {
      long count = Math.min(TILE, n - done);
      for (int i = 0; i < inputs; i++) {
        long staged = table + tableBytes() + 4L * TILE * i;
        Raw.putLong(table + 8L * i, staged(operands, i, first + done, count, staged));
      }
      Raw.putLong(table + 8L * inputs, to + 4 * done);
      now.run(table, count);
    }
  }

  private long staged(Operands operands, int input, long first, long n, long to) {
    Gatherer gatherer = gatherers[input];
    if (gatherer != null) {
      gatherer.copy(operands.address(input), first, n, to);
      return to;
    }
    return operands.address(input) + (uniform[input] ? 0 : 4 * first);
  }
}
