package io.quern.cpu.gemm;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.GuardedMemory;
import io.quern.runtime.Raw;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;

/**
 * Rows that machine code moves, all elements with a bias or every second one, are those of loops
 * over scalars, and nothing else is touched: memory ends, or begins, at pages that crash the
 * process.
 */
@EnabledIf(value = "isUsed", disabledReason = "no machine code of 512 bits on this machine")
class MachineMovesTest {
  private static final int LONGEST = 150;
  private static final int MOST_ROWS = 4;
  private static final EverySecond SCALARS = new EverySecond();

  private final SplittableRandom random = new SplittableRandom(1);
  private final EverySecond code = isUsed() ? new MachineEverySecond() : SCALARS;
  private final GuardedMemory from = new GuardedMemory(8L * MOST_ROWS * LONGEST);
  private final GuardedMemory[] to = {
    new GuardedMemory(4L * MOST_ROWS * LONGEST), new GuardedMemory(4L * MOST_ROWS * LONGEST)
  };

  static boolean isUsed() {
    return MachineTier.has512Bits();
  }

  @Test
  void rowsAreThoseOfScalars() {
    check(5_000);
  }

  @Test
  @Tag("soak")
  void manyRows() {
    check(1_000_000);
  }

  private void check(int times) {
    for (int i = 0; i < times; i++) {
      int rows = random.nextInt(MOST_ROWS + 1);
      int count = random.nextInt(1, LONGEST);
      boolean second = random.nextBoolean();
      // Rows of the result may be apart; what lies between them must stay.
      long toRow = 4L * (count + random.nextInt(2));
      long fromRow = 4L * (second ? 2 * count - 1 : count);
      long size = Math.max(0, (rows - 1) * toRow + 4L * count);
      float bias = second ? 0 : (float) random.nextDouble(-9, 9);
      long x = filled(from, rows * fromRow, random.nextLong());
      long seed = random.nextLong();
      long found = filled(to[0], rows == 0 ? 0 : size, seed);
      long wanted = filled(to[1], rows == 0 ? 0 : size, seed);
      if (second) {
        code.copyRows(x, fromRow, found, toRow, rows, count);
        SCALARS.copyRows(x, fromRow, wanted, toRow, rows, count);
      } else {
        MicroKernel.chosen().copyRows(x, fromRow, found, toRow, rows, count, bias);
        for (int row = 0; row < rows; row++) {
          for (long at = 0; at < 4L * count; at += 4) {
            float value = Raw.getFloat(x + row * fromRow + at) + bias;
            Raw.putFloat(wanted + row * toRow + at, value);
          }
        }
      }
      for (long at = 0; rows > 0 && at < size; at += 4) {
        if (Raw.getInt(found + at) != Raw.getInt(wanted + at)) {
          assertThat(Raw.getFloat(found + at))
              .as("element %d of %d rows of %d, second: %s", at / 4, rows, count, second)
              .isEqualTo(Raw.getFloat(wanted + at));
        }
      }
    }
  }

  private long filled(GuardedMemory memory, long bytes, long seed) {
    SplittableRandom values = new SplittableRandom(seed);
    long address = memory.place(bytes, random.nextBoolean());
    for (long at = 0; at < bytes; at += 4) {
      Raw.putFloat(address + at, (float) values.nextDouble(-9, 9));
    }
    return address;
  }
}
