package io.quern.cpu.pool;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.GuardedMemory;
import io.quern.runtime.Raw;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;

/**
 * Machine code has the bits of loops over scalars, and touches nothing else: planes end, or begin,
 * at pages that crash the process.
 */
@EnabledIf(value = "isUsed", disabledReason = "no machine code of 512 bits on this machine")
class MachineHalvingTest {
  private static final int MOST_PAIRS = 9;
  private static final int WIDEST = 100;
  private static final Halving SCALARS = new Halving();

  private final SplittableRandom random = new SplittableRandom(1);
  private final Halving code = isUsed() ? new MachineHalving() : SCALARS;
  private final GuardedMemory image = memory();
  private final GuardedMemory windows = memory();
  private final GuardedMemory[] results = {memory(), memory()};

  private static GuardedMemory memory() {
    return new GuardedMemory(8L * MOST_PAIRS * WIDEST);
  }

  static boolean isUsed() {
    return MachineTier.has512Bits();
  }

  @Test
  void poolsHaveTheBitsOfScalars() {
    check(5_000);
  }

  @Test
  @Tag("soak")
  void manyPools() {
    check(1_000_000);
  }

  private void check(int times) {
    for (int i = 0; i < times; i++) {
      int rows = random.nextInt(1, MOST_PAIRS + 1);
      int width = random.nextInt(1, random.nextBoolean() ? 40 : WIDEST);
      int n = width / 2;
      long row = 4L * width;
      boolean gradient = random.nextBoolean();
      long x = filled(image, 2L * rows * width);
      long y = gradient ? filled(windows, (long) rows * n) : 0;
      long size = gradient ? 8L * rows * width : 4L * rows * n;
      long found = cleared(results[0], size);
      long wanted = cleared(results[1], size);
      if (gradient) {
        code.grad(x, row, rows, n, y, found);
        SCALARS.grad(x, row, rows, n, y, wanted);
      } else {
        code.max(x, row, rows, n, found);
        SCALARS.max(x, row, rows, n, wanted);
      }
      for (long at = 0; at < size; at += 4) {
        float one = Raw.getFloat(found + at);
        float other = Raw.getFloat(wanted + at);
        if (Float.floatToIntBits(one) != Float.floatToIntBits(other)) {
          assertThat(one)
              .as("element %d, gradient: %s, %d pairs of %d", at / 4, gradient, rows, width)
              .isEqualTo(other);
        }
      }
    }
  }

  /** Few different numbers, so that some are equal, and NaN. */
  private long filled(GuardedMemory memory, long count) {
    long address = memory.place(4 * count, random.nextBoolean());
    for (long i = 0; i < count; i++) {
      int value = random.nextInt(-4, 5);
      Raw.putFloat(address + 4 * i, random.nextInt(100) == 0 ? Float.NaN : value);
    }
    return address;
  }

  private long cleared(GuardedMemory memory, long bytes) {
    long address = memory.place(bytes, random.nextBoolean());
    Raw.zero(address, bytes);
    return address;
  }
}
