package io.quern.cpu.gemm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.GuardedMemory;
import io.quern.runtime.Raw;
import java.util.List;
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
  private static final List<BrainPanel.Result> RESULTS = List.of(BrainPanel.Result.values());
  private static final int MOST_ROWS = 70;
  private static final int WIDTH = PairPacker.WIDTH;
  private static final int MOST_COLUMNS = 2 * WIDTH;
  private static final int MOST_DEPTH = 96;

  /** Elements between rows. */
  private static final int GAP = 5;

  private static final short SENTINEL = 12345;
  private static final int SENTINELS = (SENTINEL << 16) | SENTINEL;

  private final SplittableRandom random = new SplittableRandom(1);
  private final GuardedMemory aMemory = new GuardedMemory(2L * MOST_ROWS * (MOST_DEPTH + GAP));
  private final GuardedMemory panelMemory = new GuardedMemory(2L * MOST_DEPTH * MOST_COLUMNS);
  private final GuardedMemory startMemory = new GuardedMemory(4L * MOST_ROWS * MOST_COLUMNS);
  private final GuardedMemory cMemory = new GuardedMemory(4L * MOST_ROWS * (MOST_COLUMNS + GAP));
  private final GuardedMemory scratchMemory = new GuardedMemory(TileCode.SCRATCH);

  private BrainPanel.Result result;
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
      result = RESULTS.get(random.nextInt(RESULTS.size()));
      rows = random.nextInt(1, MOST_ROWS + 1);
      int unit = hasTiles ? TileCode.LINE / 2 : 2;
      depth = unit * random.nextInt(1, MOST_DEPTH / unit + 1);
      columns = random.nextInt(1, MOST_COLUMNS + 1);
      aRow = 2L * (depth + random.nextInt(GAP));
      startRow = random.nextBoolean() ? 0 : 4L * columns;
      cRow = bytes() * (columns + random.nextInt(GAP));
      a = integers(aMemory, (rows - 1) * aRow + 2L * depth);
      panel = integers(panelMemory, 2L * depth * WIDTH * Math.ceilDiv(columns, WIDTH));
      start = starts((rows - 1) * startRow + 4L * columns);
      c = sentinels((rows - 1) * cRow + bytes() * columns);
      BrainPanel product = new BrainPanel(depth, result, hasTiles);
      long scratch = scratchMemory.place(product.scratchBytes(rows), random.nextBoolean());
      product.run(a, aRow, panel, columns, start, startRow, 4L * WIDTH, c, cRow, rows, scratch);
      checkResult();
    }
  }

  private long bytes() {
    return result == BrainPanel.Result.FLOATS ? 4 : 2;
  }

  private long integers(GuardedMemory memory, long size) {
    long address = memory.place(size, random.nextBoolean());
    for (long at = 0; at < size; at += 2) {
      Raw.putShort(address + at, brainFloat(random.nextInt(-20, 21)));
    }
    return address;
  }

  private long starts(long size) {
    long address = startMemory.place(size, random.nextBoolean());
    for (long at = 0; at < size; at += 4) {
      Raw.putFloat(address + at, random.nextInt(-100, 101));
    }
    return address;
  }

  private long sentinels(long size) {
    long address = cMemory.place(size, random.nextBoolean());
    for (long at = 0; at < size; at += 2) {
      Raw.putShort(address + at, SENTINEL);
    }
    return address;
  }

  private void checkResult() {
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < cRow / bytes() && (i < rows - 1 || j < columns); j++) {
        int expected = j < columns ? expected(i, j) : bytes() == 4 ? SENTINELS : SENTINEL;
        long at = c + i * cRow + bytes() * j;
        int found = bytes() == 4 ? Raw.getInt(at) : Raw.getShort(at);
        if (found != expected) {
          assertThat(found)
              .as("%s %d, %d of %dx%d, k %d", result, i, j, rows, columns, depth)
              .isEqualTo(expected);
        }
      }
    }
  }

  private int expected(int i, int j) {
    float sum = Raw.getFloat(start + i * startRow + 4L * j);
    long column = panel + 4L * (j / WIDTH * depth / 2 * WIDTH + j % WIDTH);
    for (int t = 0; t < depth; t++) {
      sum += value(a + i * aRow + 2L * t) * value(column + 4L * WIDTH * (t / 2) + 2L * (t % 2));
    }
    return switch (result) {
      case FLOATS -> Float.floatToRawIntBits(sum);
      case BRAIN_FLOATS -> brainFloat(sum);
      case BRAIN_FLOATS_RELU -> brainFloat(Math.max(0, sum));
    };
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
