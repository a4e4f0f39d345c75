package io.quern.cpu.fused;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.cpu.Twins;
import io.quern.cpu.elementwise.Gatherer;
import io.quern.op.Fused;
import io.quern.op.ScalarProgram;
import io.quern.runtime.HostMemory;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;
import org.jspecify.annotations.Nullable;

/**
 * A chain of elementwise functions of F32 over operands of any layout. Where the innermost
 * dimension is long and every operand either runs along it or stays, the loop reads operands in
 * place; otherwise those that are not in the output's order are gathered tile by tile.
 */
public final class FusedKernel implements Kernel {
  private static final int CHUNK = 16384;
  private static final int TILE = 1024;

  /** Runs shorter than this cost more to begin than gathering does. */
  private static final int SHORTEST_RUN = 24;

  private final ScalarProgram program;
  private final Iteration iteration;
  private final Twins<FusedLoop> loop;
  private final boolean inPlace;
  private final boolean[] single;
  private final long count;
  private final int inputs;
  private final @Nullable Gatherer[] gatherers;
  private final Workers.Task<Operands> task;
  private final int chunks;
  private final long runsPerChunk;
  private final long partsPerRun;

  private FusedKernel(KernelKey key, ScalarProgram program) {
    this.program = program;
    this.iteration = new Iteration(key);
    this.inputs = key.inputs();
    this.count = key.output().shape().size();
    boolean runs = iteration.inner() >= SHORTEST_RUN || iteration.inner() == count;
    boolean[] uniform = new boolean[inputs];
    this.single = uniform;
    for (int i = 0; i < inputs; i++) {
      uniform[i] = iteration.innerStride(i) == 0;
      runs &= uniform[i] || iteration.innerStride(i) == 4;
    }
    this.inPlace = runs;
    this.gatherers = new Gatherer[inputs];
    if (!inPlace) {
      for (int i = 0; i < inputs; i++) {
        boolean plain = key.layout(i).isContiguous() && key.shape(i).equals(key.output().shape());
        uniform[i] = key.shape(i).size() == 1;
        gatherers[i] =
            plain || uniform[i] ? null : new Gatherer(key.layout(i), key.output().shape(), 4);
      }
    }
    this.loop = FusedLoops.of(program, uniform);
    this.runsPerChunk = inPlace ? Math.max(1, CHUNK / Math.max(1, iteration.inner())) : 0;
    this.partsPerRun = inPlace ? Math.max(1, (iteration.inner() + CHUNK - 1) / CHUNK) : 0;
    this.chunks =
        Math.toIntExact(
            inPlace
                ? (iteration.runs() + runsPerChunk - 1) / runsPerChunk * partsPerRun
                : (count + CHUNK - 1) / CHUNK);
    this.task = inPlace ? this::runs : this::tiles;
  }

  /** The kernel for {@code key}, or null when it is not F32. */
  public static @Nullable Kernel create(KernelKey key) {
    return key.all(DType.F32) && key.op() instanceof Fused(ScalarProgram program)
        ? new FusedKernel(key, program)
        : null;
  }

  @Override
  public void run(Operands operands) {
    if (count > 0) {
      Workers.shared().run(task, operands, chunks);
    }
  }

  @Override
  public boolean warmUp() {
    return loop.await();
  }

  private void runs(Operands operands, int chunk) {
    long first = chunk / partsPerRun * runsPerChunk;
    long last = Math.min(iteration.runs(), first + runsPerChunk);
    long from = chunk % partsPerRun * CHUNK;
    long n = partsPerRun == 1 ? iteration.inner() : Math.min(CHUNK, iteration.inner() - from);
    HostMemory.Block table = HostMemory.shared().allocate(8L * (inputs + 1));
    FusedLoop now = loop.get();
    for (long run = first; run < last; run++) {
      for (int i = 0; i <= inputs; i++) {
        long address = operands.address(i) + iteration.offset(i, run);
        Raw.putLong(table.address() + 8L * i, address + from * iteration.innerStride(i));
      }
      now.run(table.address(), n);
    }
    HostMemory.shared().free(table);
  }

  private void tiles(Operands operands, int chunk) {
    long first = (long) chunk * CHUNK;
    long end = Math.min(count, first + CHUNK);
    long tableBytes = 64L * ((8L * (inputs + 1) + 63) / 64);
    HostMemory.Block memory = HostMemory.shared().allocate(tableBytes + 4L * TILE * inputs);
    long table = memory.address();
    FusedLoop now = loop.get();
    for (long at = first; at < end; at += TILE) {
      long n = Math.min(TILE, end - at);
      for (int i = 0; i < inputs; i++) {
        long staged = table + tableBytes + 4L * TILE * i;
        Raw.putLong(table + 8L * i, staged(operands, i, at, n, staged));
      }
      Raw.putLong(table + 8L * inputs, operands.address(inputs) + 4 * at);
      now.run(table, n);
    }
    HostMemory.shared().free(memory);
  }

  private long staged(Operands operands, int input, long at, long n, long to) {
    Gatherer gatherer = gatherers[input];
    if (gatherer != null) {
      gatherer.copy(operands.address(input), at, n, to);
      return to;
    }
    return operands.address(input) + (single[input] ? 0 : 4 * at);
  }

  @Override
  public String name() {
    return "fused_f32_" + program.steps().size();
  }
}
