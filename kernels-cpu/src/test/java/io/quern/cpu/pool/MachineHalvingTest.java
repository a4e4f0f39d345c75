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
  private final Halving code = isUsed() ? new MachineHalving(false) : SCALARS;
  private final Halving ofBrainFloats = isUsed() ? new MachineHalving(true) : SCALARS;
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
      run(SCALARS, gradient, x, row, rows, n, y, wanted);
      if (random.nextBoolean()) {
        run(code, gradient, x, row, rows, n, y, found);
      } else {
        long images = rounded(image, x, 2L * rows * width);
        long gradients = gradient ? rounded(windows, y, (long) rows * n) : 0;
        long narrow = results[0].place(size / 2, random.nextBoolean());
        Raw.zero(narrow, size / 2);
        run(ofBrainFloats, gradient, images, row / 2, rows, n, gradients, narrow);
        found = widened(narrow, size / 4);
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

  private static void run(
      Halving halving, boolean gradient, long x, long row, int rows, int n, long y, long to) {
    if (gradient) {
      halving.grad(x, row, rows, n, y, to);
    } else {
      halving.max(x, row, rows, n, to);
    }
  }

  /** The same numbers as BF16, which all of them are. */
  private long rounded(GuardedMemory memory, long from, long count) {
    long[] bits = new long[(int) count];
    for (int i = 0; i < count; i++) {
      bits[i] = Raw.getInt(from + 4L * i) >> 16;
    }
    long address = memory.place(2 * count, random.nextBoolean());
    for (int i = 0; i < count; i++) {
      Raw.putShort(address + 2L * i, (short) bits[i]);
    }
    return address;
  }

  private long widened(long from, long count) {
    int[] bits = new int[(int) count];
    for (int i = 0; i < count; i++) {
      bits[i] = Raw.getShort(from + 2L * i) << 16;
    }
    long address = results[0].place(4 * count, true);
    for (int i = 0; i < count; i++) {
      Raw.putInt(address + 4L * i, bits[i]);
    }
    return address;
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
