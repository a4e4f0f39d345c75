package io.quern.cpu.gemm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.GuardedMemory;
import io.quern.runtime.Raw;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Products of BF16 are those of plain loops, by vectors and in tile registers, and touch nothing
 * but their operands, which end, or begin, at pages that crash the process.
 */
class BrainPanelTest {
  private static final int MOST_ROWS = 70;
  private static final int WIDTH = PairPacker.WIDTH;
  private static final int MOST_COLUMNS = 2 * WIDTH;
  private static final int MOST_DEPTH = 96;

  /** Elements between rows. */
  private static final int GAP = 5;

  private static final int SENTINEL = 12345;

  private final SplittableRandom random = new SplittableRandom(1);
  private final GuardedMemory aMemory = new GuardedMemory(2L * MOST_ROWS * (MOST_DEPTH + GAP));
  private final GuardedMemory panelMemory = new GuardedMemory(2L * MOST_DEPTH * MOST_COLUMNS);
  private final GuardedMemory cMemory = new GuardedMemory(2L * MOST_ROWS * (MOST_COLUMNS + GAP));
  private final GuardedMemory scratchMemory = new GuardedMemory(TileCode.SCRATCH);

  private int rows;
  private int columns;
  private int depth;
  private long aRow;
  private long cRow;
  private long a;
  private long panel;
  private long c;

  private static boolean isThere(boolean tiles) {
    return tiles ? MachineTier.hasBrainTiles() : MachineTier.multipliesBrainFloats();
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void productsAreRightAndStayWithinTheirOperands(boolean hasTiles) {
    assumeTrue(isThere(hasTiles), "no such products of BF16 here");
    check(hasTiles, 3_000);
  }

  @Test
  @Tag("soak")
  void manyProducts() {
    for (boolean hasTiles : new boolean[] {false, true}) {
      if (isThere(hasTiles)) {
        check(hasTiles, 1_000_000);
      }
    }
  }

  /** Small integers, whose sums are exact in any order. */
  private void check(boolean hasTiles, int times) {
    for (int i = 0; i < times; i++) {
      rows = random.nextInt(1, MOST_ROWS + 1);
      int unit = hasTiles ? TileCode.LINE / 2 : 2;
      depth = unit * random.nextInt(1, MOST_DEPTH / unit + 1);
      columns = WIDTH * random.nextInt(1, MOST_COLUMNS / WIDTH + 1);
      aRow = 2L * (depth + random.nextInt(GAP));
      cRow = 2L * (columns + random.nextInt(GAP));
      a = integers(aMemory, (rows - 1) * aRow + 2L * depth);
      panel = integers(panelMemory, 2L * depth * columns);
      c = integers(cMemory, (rows - 1) * cRow + 2L * columns);
      BrainPanel product = new BrainPanel(depth, hasTiles);
      long scratch = scratchMemory.place(product.scratchBytes(rows), random.nextBoolean());
      product.run(a, aRow, panel, columns, c, cRow, rows, scratch);
      checkResult();
    }
  }

  private long integers(GuardedMemory memory, long size) {
    long address = memory.place(size, random.nextBoolean());
    for (long at = 0; at < size; at += 2) {
      int value = memory == cMemory ? SENTINEL : random.nextInt(-20, 21);
      Raw.putShort(address + at, brainFloat(value));
    }
    return address;
  }

  private void checkResult() {
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < cRow / 2 && (i < rows - 1 || j < columns); j++) {
        float sum = 0;
        for (int t = 0; t < depth && j < columns; t++) {
          float right =
              value(
                  panel
                      + 4L * (j / WIDTH * depth / 2 * WIDTH + t / 2 * WIDTH + j % WIDTH)
                      + 2L * (t % 2));
          sum += value(a + i * aRow + 2L * t) * right;
        }
        short expected = brainFloat(j < columns ? sum : SENTINEL);
        short found = Raw.getShort(c + i * cRow + 2L * j);
        if (found != expected) {
          assertThat(found).as("element %d, %d of %d, k %d", i, j, rows, depth).isEqualTo(expected);
        }
      }
    }
  }

  private static float value(long address) {
    return Float.intBitsToFloat(Raw.getShort(address) << 16);
  }

  /** To the nearest, of two to the even one. */
  private static short brainFloat(float value) {
    int bits = Float.floatToRawIntBits(value);
    return (short) ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
  }
}
