package io.quern.cpu.gemm;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.GuardedMemory;
import io.quern.runtime.Raw;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Products in tile registers are those of plain loops over integers, and touch nothing but their
 * operands, which end, or begin, at pages that crash the process.
 */
@EnabledIf(value = "isUsed", disabledReason = "no tile registers here, or quern.amx=off")
class TilePanelTest {
  private static final int MOST_ROWS = 70;
  private static final int WIDTH = BytePacker.WIDTH;
  private static final int MOST_DEPTH = 3 * TileCode.LINE;

  /** Elements between rows. */
  private static final int GAP = 5;

  private static final int SENTINEL = 12345;

  private final SplittableRandom random = new SplittableRandom(1);
  private final GuardedMemory aMemory = new GuardedMemory(MOST_ROWS * (MOST_DEPTH + GAP));
  private final GuardedMemory panelMemory = new GuardedMemory(MOST_DEPTH * WIDTH);
  private final GuardedMemory startMemory = new GuardedMemory(4L * MOST_ROWS * (WIDTH + GAP));
  private final GuardedMemory cMemory = new GuardedMemory(4L * MOST_ROWS * (WIDTH + GAP));
  private final GuardedMemory scratchMemory = new GuardedMemory(TileCode.SCRATCH);

  private int rows;
  private int columns;
  private int depth;
  private long aRow;
  private long startRow;
  private long cRow;
  private long a;
  private long panel;
  private long start;
  private long c;

  static boolean isUsed() {
    return MachineTier.hasTiles();
  }

  @ParameterizedTest
  @EnumSource(names = {"BYTES", "BYTES_TO_FLOATS"})
  void productsOfBytesAreRightAndStayWithinTheirOperands(TileCode.Elements elements) {
    check(elements, 3_000);
  }

  @Test
  @Tag("soak")
  void manyProducts() {
    check(TileCode.Elements.BYTES, 1_000_000);
  }

  private void check(TileCode.Elements elements, int times) {
    TilePanel code = new TilePanel("test", elements);
    for (int i = 0; i < times; i++) {
      draw();
      long scratch = scratchMemory.place(TileCode.SCRATCH, random.nextBoolean());
      code.run(a, aRow, panel, depth, start, startRow, c, cRow, rows, columns, scratch);
      checkResult(elements == TileCode.Elements.BYTES_TO_FLOATS);
    }
  }

  private void draw() {
    rows = random.nextInt(1, MOST_ROWS + 1);
    columns = random.nextInt(3) == 0 ? WIDTH : random.nextInt(1, WIDTH + 1);
    depth = TileCode.LINE * random.nextInt(1, MOST_DEPTH / TileCode.LINE + 1);
    aRow = (long) depth + random.nextInt(GAP);
    startRow = random.nextBoolean() ? 0 : 4L * (columns + random.nextInt(GAP));
    cRow = 4L * (columns + random.nextInt(GAP));
    a = bytes(aMemory, (rows - 1L) * aRow + depth);
    panel = bytes(panelMemory, (long) depth * WIDTH);
    start = ints(startMemory, (rows - 1) * startRow + 4L * columns);
    c = ints(cMemory, (rows - 1) * cRow + 4L * columns);
  }

  private long bytes(GuardedMemory memory, long size) {
    long address = memory.place(size, random.nextBoolean());
    for (long at = 0; at < size; at++) {
      Raw.putByte(address + at, (byte) random.nextInt());
    }
    return address;
  }

  private long ints(GuardedMemory memory, long size) {
    long address = memory.place(size, random.nextBoolean());
    for (long at = 0; at < size; at += 4) {
      Raw.putInt(address + at, memory == cMemory ? SENTINEL : random.nextInt(-1000, 1000));
    }
    return address;
  }

  private void checkResult(boolean toFloats) {
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < cRow / 4 && (i < rows - 1 || j < columns); j++) {
        int sum = j < columns ? expected(i, j) : SENTINEL;
        int expected = toFloats && j < columns ? Float.floatToRawIntBits(sum) : sum;
        int found = Raw.getInt(c + i * cRow + 4L * j);
        if (found != expected) {
          assertThat(found)
              .as("element %d, %d of %d x %d, k %d", i, j, rows, columns, depth)
              .isEqualTo(expected);
        }
      }
    }
  }

  private int expected(int i, int j) {
    int sum = Raw.getInt(start + i * startRow + 4L * j);
    for (int t = 0; t < depth; t++) {
      int left = Raw.getByte(a + i * aRow + t) & 0xFF;
      sum += left * Raw.getByte(panel + (t / 4 * WIDTH + j) * 4L + t % 4);
    }
    return sum;
  }
}
