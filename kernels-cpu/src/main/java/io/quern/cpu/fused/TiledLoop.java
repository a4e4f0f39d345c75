package io.quern.cpu.fused;

import io.quern.cpu.Twins;
import io.quern.cpu.elementwise.Loop;
import io.quern.cpu.elementwise.Loops;
import io.quern.op.ScalarProgram;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Raw;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;

/**
 * A chain step by step over tiles that stay in the first-level cache, with the loops of the single
 * functions. It needs no compiler and serves until a generated loop is ready.
 */
final class TiledLoop extends FusedLoop {
  private static final int TILE = 256;

  private final ScalarProgram program;
  private final boolean[] uniform;
  private final List<Twins<Loop>> loops = new ArrayList<>();
  private final int[] left;
  private final int[] right;

  /** Which tile buffer holds a value; -1 for inputs that are read where they are. */
  private final int[] buffer;

  private final int buffers;

  TiledLoop(ScalarProgram program, boolean[] uniform) {
    List<ScalarProgram.Step> steps = program.steps();
    this.program = program;
    this.uniform = uniform.clone();
    this.left = new int[steps.size()];
    this.right = new int[steps.size()];
    for (int i = 0; i < steps.size(); i++) {
      switch (steps.get(i)) {
        case ScalarProgram.Literal _ -> loops.add(Twins.only(TiledLoop::unused));
        case ScalarProgram.Apply1(var fn, int x) -> {
          loops.add(Loops.unary(fn));
          left[i] = x;
          right[i] = x;
        }
        case ScalarProgram.Apply2(var fn, int x, int y) -> {
          loops.add(Loops.binary(fn));
          left[i] = x;
          right[i] = y;
        }
      }
    }
    this.buffer = new int[program.result() + 1];
    this.buffers = assignBuffers();
  }

  private static void unused(long a, long b, long c, long out, long n) {
    throw new IllegalStateException("fused: a literal has no loop");
  }

  private boolean isLiteral(int value) {
    return value >= program.inputs()
        && program.steps().get(value - program.inputs()) instanceof ScalarProgram.Literal;
  }

  /** Values that stay the same have buffers of their own; others share when they are used up. */
  private int assignBuffers() {
    int[] lastUse = new int[buffer.length];
    for (int i = 0; i < loops.size(); i++) {
      if (!isLiteral(program.inputs() + i)) {
        lastUse[left[i]] = i;
        lastUse[right[i]] = i;
      }
    }
    int count = 0;
    ArrayDeque<Integer> free = new ArrayDeque<>();
    for (int value = 0; value < buffer.length; value++) {
      boolean input = value < program.inputs();
      if ((input && uniform[value]) || isLiteral(value)) {
        buffer[value] = count++;
      } else {
        buffer[value] = -1;
      }
    }
    for (int i = 0; i < loops.size() - 1; i++) {
      int value = program.inputs() + i;
      if (isLiteral(value)) {
        continue;
      }
      buffer[value] = free.isEmpty() ? count++ : free.pop();
      for (int used : left[i] == right[i] ? new int[] {left[i]} : new int[] {left[i], right[i]}) {
        if (used >= program.inputs() && !isLiteral(used) && lastUse[used] == i) {
          free.push(buffer[used]);
        }
      }
    }
    return count;
  }

  @Override
  public void run(long addresses, long n) {
    long most = Math.min(TILE, n);
    long bytes = 4L * TILE * Math.max(1, buffers);
    try (MemoryPool.Block scratch = HostMemory.shared().allocate(bytes)) {
      fillConstants(addresses, most, scratch.address());
      for (long first = 0; first < n; first += TILE) {
        tile(addresses, first, Math.min(TILE, n - first), scratch.address());
      }
    }
  }

  private void fillConstants(long addresses, long n, long scratch) {
    for (int value = 0; value < buffer.length; value++) {
      boolean input = value < program.inputs();
      if (input && uniform[value]) {
        fill(Raw.getFloat(Raw.getLong(addresses + 8L * value)), n, at(value, scratch));
      } else if (!input
          && program.steps().get(value - program.inputs())
              instanceof ScalarProgram.Literal(double number)) {
        fill((float) number, n, at(value, scratch));
      }
    }
  }

  private static void fill(float value, long n, long to) {
    for (long i = 0; i < 4 * n; i += 4) {
      Raw.putFloat(to + i, value);
    }
  }

  private long at(int value, long scratch) {
    return scratch + 4L * TILE * buffer[value];
  }

  private void tile(long addresses, long first, long n, long scratch) {
    long output = Raw.getLong(addresses + 8L * program.inputs()) + 4 * first;
    for (int i = 0; i < loops.size(); i++) {
      int value = program.inputs() + i;
      if (!isLiteral(value)) {
        long to = i == loops.size() - 1 ? output : at(value, scratch);
        loops
            .get(i)
            .get()
            .run(
                operand(left[i], addresses, first, scratch),
                operand(right[i], addresses, first, scratch),
                0,
                to,
                n);
      } else if (i == loops.size() - 1) {
        fill((float) ((ScalarProgram.Literal) program.steps().get(i)).value(), n, output);
      }
    }
  }

  private long operand(int value, long addresses, long first, long scratch) {
    return buffer[value] >= 0
        ? at(value, scratch)
        : Raw.getLong(addresses + 8L * value) + 4 * first;
  }
}
