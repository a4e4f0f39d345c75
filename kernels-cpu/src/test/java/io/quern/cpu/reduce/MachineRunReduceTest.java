package io.quern.cpu.reduce;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.GuardedMemory;
import io.quern.op.Reduce;
import io.quern.runtime.Raw;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;

/**
 * Machine code has the bits of loops over scalars, and touches nothing else: what is read and
 * written ends, or begins, at pages that crash the process.
 */
@EnabledIf(value = "isUsed", disabledReason = "no machine code of 512 bits on this machine")
class MachineRunReduceTest {
  private static final int MOST = 1000;
  private static final int MOST_ROWS = 6;

  private static final List<Reduce.Fn> ALL = List.of(Reduce.Fn.values());

  private final SplittableRandom random = new SplittableRandom(1);
  private final Map<Reduce.Fn, RunReduce> code = new EnumMap<>(Reduce.Fn.class);
  private final Map<Reduce.Fn, RunReduce> scalars = new EnumMap<>(Reduce.Fn.class);
  private final GuardedMemory from = new GuardedMemory(4L * MOST_ROWS * MOST);
  private final GuardedMemory[] to = {new GuardedMemory(4L * MOST), new GuardedMemory(4L * MOST)};
  private final GuardedMemory scratch = new GuardedMemory(RunReduce.SCRATCH);

  MachineRunReduceTest() {
    for (Reduce.Fn fn : Reduce.Fn.values()) {
      if (isUsed()) {
        code.put(fn, new MachineRunReduce(fn));
      }
      scalars.put(fn, ScalarRunReduce.specialised(fn));
    }
  }

  static boolean isUsed() {
    return MachineTier.has512Bits();
  }

  @Test
  void foldsHaveTheBitsOfScalars() {
    check(5_000);
  }

  @Test
  @Tag("soak")
  void manyFolds() {
    check(1_000_000);
  }

  private void check(int times) {
    for (int i = 0; i < times; i++) {
      Reduce.Fn fn = ALL.get(random.nextInt(ALL.size()));
      RunReduce one = code.get(fn);
      RunReduce other = scalars.get(fn);
      int n = random.nextInt(random.nextBoolean() ? 130 : MOST);
      switch (random.nextInt(4)) {
        case 0 -> {
          n = random.nextInt(3) == 0 ? n / 64 * 64 : n;
          long x = filled(from, n);
          long a = to[0].place(RunReduce.SCRATCH, random.nextBoolean());
          long b = to[1].place(RunReduce.SCRATCH, random.nextBoolean());
          assertThat(Float.floatToIntBits(one.run(x, n, a)))
              .as("%s of %d", fn, n)
              .isEqualTo(Float.floatToIntBits(other.run(x, n, b)));
        }
        case 1 -> {
          long x = filled(from, n);
          long[] rows = copies(n);
          one.addRow(x, n, rows[0]);
          other.addRow(x, n, rows[1]);
          compare(fn, rows, n);
        }
        case 2 -> {
          int count = random.nextInt(MOST_ROWS + 1);
          long x = filled(from, n * count);
          long[] results = copies(count);
          one.runs(x, n, count, results[0], 0);
          other.runs(x, n, count, results[1], scratch.place(RunReduce.SCRATCH, true));
          compare(fn, results, count);
        }
        default -> {
          int count = random.nextInt(MOST_ROWS + 1);
          long x = filled(from, n * count);
          long[] rows = copies(n);
          one.addRows(x, n, count, rows[0]);
          other.addRows(x, n, count, rows[1]);
          compare(fn, rows, n);
        }
      }
    }
  }

  private long filled(GuardedMemory memory, int n) {
    long address = memory.place(4L * n, random.nextBoolean());
    for (int i = 0; i < n; i++) {
      Raw.putFloat(address + 4L * i, value());
    }
    return address;
  }

  /** Mostly of moderate size, so that products stay in range, with both zeros and NaN. */
  private float value() {
    return switch (random.nextInt(500)) {
      case 0 -> Float.NaN;
      case 1 -> -0f;
      case 2 -> 0f;
      case 3 -> Float.NEGATIVE_INFINITY;
      default -> (float) (random.nextDouble(0.7, 1.4) * (random.nextBoolean() ? 1 : -1));
    };
  }

  private long[] copies(int n) {
    long[] rows = {
      to[0].place(4L * n, random.nextBoolean()), to[1].place(4L * n, random.nextBoolean())
    };
    for (int i = 0; i < n; i++) {
      float value = value();
      Raw.putFloat(rows[0] + 4L * i, value);
      Raw.putFloat(rows[1] + 4L * i, value);
    }
    return rows;
  }

  private static void compare(Reduce.Fn fn, long[] rows, int n) {
    for (int i = 0; i < n; i++) {
      float found = Raw.getFloat(rows[0] + 4L * i);
      float wanted = Raw.getFloat(rows[1] + 4L * i);
      if (Float.floatToIntBits(found) != Float.floatToIntBits(wanted)) {
        assertThat(found).as("element %d of %d of %s", i, n, fn).isEqualTo(wanted);
      }
    }
  }
}
