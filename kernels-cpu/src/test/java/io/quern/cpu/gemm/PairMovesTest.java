package io.quern.cpu.gemm;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.GuardedMemory;
import io.quern.runtime.Raw;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;

/** Elements of 16 bits are moved as by plain loops, between pages that crash the process. */
@EnabledIf(value = "isUsed", disabledReason = "no machine code of 512 bits on this machine")
class PairMovesTest {
  private static final int MOST_ROWS = 6;
  private static final int MOST_COLUMNS = 70;
  private static final int GAP = 5;
  private static final short SENTINEL = 12345;

  private final SplittableRandom random = new SplittableRandom(1);
  private final GuardedMemory firstMemory = memory();
  private final GuardedMemory secondMemory = memory();
  private final GuardedMemory toMemory = memory();

  private static GuardedMemory memory() {
    return new GuardedMemory(4L * MOST_ROWS * (MOST_COLUMNS + GAP));
  }

  static boolean isUsed() {
    return MachineTier.has512Bits();
  }

  @Test
  void elementsAreMovedToTheirPlaces() {
    check(10_000);
  }

  @Test
  @Tag("soak")
  void manyMoves() {
    check(1_000_000);
  }

  private void check(int times) {
    for (int i = 0; i < times; i++) {
      int rows = random.nextInt(1, MOST_ROWS + 1);
      int count = random.nextInt(1, MOST_COLUMNS + 1);
      boolean isCopy = random.nextInt(3) == 0;
      boolean hasSecond = !isCopy && random.nextBoolean();
      int each = isCopy ? 1 : 2;
      int fromGap = random.nextInt(GAP);
      int toGap = random.nextInt(GAP);
      long fromRow = 2L * (count + fromGap);
      long toRow = 2L * each * (count + toGap);
      long fromSize = (rows - 1) * fromRow + 2L * count;
      long toSize = (rows - 1) * toRow + 2L * each * count;
      long first = elements(firstMemory, fromSize, false);
      long second = hasSecond ? elements(secondMemory, fromSize, false) : 0;
      long to = elements(toMemory, toSize, true);
      if (isCopy) {
        PairMoves.copy(first, fromRow, to, toRow, rows, count);
      } else {
        PairMoves.interleave(first, second, fromRow, to, toRow, rows, count);
      }
      for (long at = 0; at < toSize; at += 2) {
        long row = at / toRow;
        long column = at % toRow / 2 / each;
        long from = row * fromRow + 2 * column;
        boolean isSecond = at / 2 % each == 1;
        short expected =
            column >= count
                ? SENTINEL
                : !isSecond
                    ? Raw.getShort(first + from)
                    : hasSecond ? Raw.getShort(second + from) : 0;
        if (Raw.getShort(to + at) != expected) {
          assertThat(Raw.getShort(to + at))
              .as("byte %d, %d rows of %d, %d of a place", at, rows, count, each)
              .isEqualTo(expected);
        }
      }
    }
  }

  private long elements(GuardedMemory memory, long size, boolean areSentinels) {
    long address = memory.place(size, random.nextBoolean());
    for (long at = 0; at < size; at += 2) {
      Raw.putShort(address + at, areSentinels ? SENTINEL : (short) random.nextInt());
    }
    return address;
  }
}
