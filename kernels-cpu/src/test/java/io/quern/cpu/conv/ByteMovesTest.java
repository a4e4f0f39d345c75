package io.quern.cpu.conv;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.GuardedMemory;
import io.quern.runtime.Raw;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;

/**
 * Moves of bytes are those of plain loops and touch nothing but their operands, which end, or
 * begin, at pages that crash the process.
 */
@EnabledIf(value = "isUsed", disabledReason = "no machine code for 512 bits here")
class ByteMovesTest {
  private static final int MOST_COUNT = 70;
  private static final int MOST_ROWS = 6;
  private static final int GAP = 5;
  private static final int SENTINEL = 0x55AA1234;

  private final SplittableRandom random = new SplittableRandom(4);
  private final GuardedMemory from = new GuardedMemory(1 << 16);
  private final GuardedMemory offsets = new GuardedMemory(4 * MOST_ROWS);
  private final GuardedMemory to = new GuardedMemory(1 << 16);

  static boolean isUsed() {
    return MachineTier.has512Bits();
  }

  @Test
  void interleavingStaysWithinItsOperands() {
    interleave(5_000);
  }

  @Test
  void gatheringStaysWithinItsOperands() {
    gather(5_000);
  }

  @Test
  @Tag("soak")
  void manyMoves() {
    interleave(1_000_000);
    gather(1_000_000);
  }

  private void interleave(int times) {
    for (int i = 0; i < times; i++) {
      int channels = random.nextInt(1, 5);
      int rows = random.nextInt(1, MOST_ROWS + 1);
      int count = random.nextInt(1, MOST_COUNT + 1);
      int fromRow = count + random.nextInt(GAP);
      int channel = rows * fromRow + random.nextInt(GAP);
      int flip = random.nextBoolean() ? 0x80808080 : 0;
      long source = source((long) (channels - 1) * channel + (rows - 1L) * fromRow + count);
      int toRow = 4 * (count + random.nextInt(GAP));
      long target = target((rows - 1L) * toRow + 4L * count);
      ByteMoves.interleave(source, channel, channels, fromRow, target, toRow, rows, count, flip);
      for (int y = 0; y < rows; y++) {
        for (int x = 0; 4 * x < toRow && (y < rows - 1 || x < count); x++) {
          int expected = x < count ? flip : SENTINEL;
          for (int c = 0; c < 4 && x < count; c++) {
            long at = source + (long) Math.min(c, channels - 1) * channel + (long) y * fromRow + x;
            expected ^= (Raw.getByte(at) & 0xFF) << (8 * c);
          }
          check(Raw.getInt(target + (long) y * toRow + 4L * x), expected, x, y);
        }
      }
    }
  }

  private void gather(int times) {
    for (int i = 0; i < times; i++) {
      int stride = random.nextInt(1, 3);
      int rows = random.nextInt(1, MOST_ROWS + 1);
      int count = random.nextInt(1, ByteMoves.MOST + 1);
      int read = (count - 1) * stride + 1;
      int elements = read + random.nextInt(200);
      long source = source(4L * elements);
      long table = offsets.place(4L * rows, random.nextBoolean());
      for (int row = 0; row < rows; row++) {
        Raw.putInt(table + 4L * row, 4 * random.nextInt(elements - read + 1));
      }
      int toRow = 4 * (count + random.nextInt(GAP));
      long target = target((rows - 1L) * toRow + 4L * count);
      ByteMoves.gather(source, table, rows, stride, target, toRow, count);
      for (int y = 0; y < rows; y++) {
        for (int x = 0; 4 * x < toRow && (y < rows - 1 || x < count); x++) {
          long at = source + Raw.getInt(table + 4L * y) + 4L * x * stride;
          int expected = x < count ? Raw.getInt(at) : SENTINEL;
          check(Raw.getInt(target + (long) y * toRow + 4L * x), expected, x, y);
        }
      }
    }
  }

  private static void check(int found, int expected, int x, int y) {
    if (found != expected) {
      assertThat(found).as("row %d, element %d", y, x).isEqualTo(expected);
    }
  }

  private long source(long size) {
    long address = from.place(size, random.nextBoolean());
    for (long at = 0; at < size; at++) {
      Raw.putByte(address + at, (byte) random.nextInt());
    }
    return address;
  }

  private long target(long size) {
    long address = to.place(size, random.nextBoolean());
    for (long at = 0; at < size; at += 4) {
      Raw.putInt(address + at, SENTINEL);
    }
    return address;
  }
}
