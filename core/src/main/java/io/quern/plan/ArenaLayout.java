package io.quern.plan;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Gives every temporary a range of one arena, so that those that are alive at the same time do not
 * overlap: largest first, each at the lowest place that is free during its life (Pisarchyk, Lee,
 * "Efficient Memory Management for Deep Neural Net Inference", 2020, greedy by size).
 */
final class ArenaLayout {
  private static final int ALIGNMENT = 64;

  private final Map<Memory.Temporary, Life> lives = new HashMap<>();

  /** The steps between which a temporary has a value; -1 is before the first. */
  private record Life(Memory.Temporary memory, int first, int last) {
    boolean overlaps(Life other) {
      return first <= other.last && other.first <= last;
    }

    Life with(int step) {
      return new Life(memory, Math.min(first, step), Math.max(last, step));
    }
  }

  private ArenaLayout() {}

  /** Places the temporaries of the steps and the host values; gives the bytes of the arena. */
  static long place(List<Step> steps, List<Memory.Host> hosts) {
    ArenaLayout layout = new ArenaLayout();
    for (Memory.Host host : hosts) {
      layout.touch(host.place(), -1);
    }
    for (int i = 0; i < steps.size(); i++) {
      for (Place operand : steps.get(i).operands()) {
        switch (operand.memory()) {
          case Memory.Temporary temporary -> layout.touch(temporary, i);
          case Memory.Host host -> layout.touch(host.place(), i);
          case Memory.Argument _, Memory.Output _, Memory.Captured _, Memory.Prepared _ -> {}
        }
      }
    }
    return layout.place();
  }

  private void touch(Memory.Temporary memory, int step) {
    lives.compute(
        memory, (key, life) -> life == null ? new Life(memory, step, step) : life.with(step));
  }

  private long place() {
    List<Life> largestFirst = new ArrayList<>(lives.values());
    largestFirst.sort(
        Comparator.comparingLong((Life life) -> -life.memory.bytes())
            .thenComparingInt(Life::first)
            .thenComparingInt(Life::last));
    List<Life> placed = new ArrayList<>();
    long size = 0;
    for (Life life : largestFirst) {
      List<Life> beside =
          new ArrayList<>(placed.stream().filter(other -> other.overlaps(life)).toList());
      beside.sort(Comparator.comparingLong(other -> other.memory.offset()));
      long at = 0;
      for (Life other : beside) {
        if (at + rounded(life) <= other.memory.offset()) {
          break;
        }
        at = Math.max(at, other.memory.offset() + rounded(other));
      }
      life.memory.place(at);
      placed.add(life);
      size = Math.max(size, at + rounded(life));
    }
    return size;
  }

  private static long rounded(Life life) {
    return (life.memory.bytes() + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  }
}
