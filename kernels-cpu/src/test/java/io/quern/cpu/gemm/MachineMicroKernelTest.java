package io.quern.cpu.gemm;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.cpu.MachineTier;
import io.quern.cpu.VectorTier;
import io.quern.cpu.asm.GuardedMemory;
import io.quern.runtime.Raw;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Panels of all sizes have the bits of plain loops, and touch nothing else: operands end, or begin,
 * at pages that crash the process.
 */
@EnabledIf(value = "isUsed", disabledReason = "no machine code on this machine, or switched off")
class MachineMicroKernelTest {
  private static final int MOST_ROWS = 30;
  private static final int MOST_COLUMNS = 48;
  private static final int MOST_DEPTH = 40;

  /** Elements between rows. */
  private static final int GAP = 5;

  private static final float SENTINEL = 12345;

  private final SplittableRandom random = new SplittableRandom(1);
  private final GuardedMemory tableMemory = new GuardedMemory(8 * MOST_ROWS);
  private final GuardedMemory offsetMemory = new GuardedMemory(4 * MOST_DEPTH);
  private final GuardedMemory aMemory = new GuardedMemory(4L * MOST_ROWS * (MOST_DEPTH + GAP));
  private final GuardedMemory bMemory = new GuardedMemory(4L * MOST_DEPTH * (MOST_COLUMNS + GAP));
  private final GuardedMemory packedMemory = new GuardedMemory(4L * MOST_DEPTH * MOST_COLUMNS);
  private final GuardedMemory startMemory =
      new GuardedMemory(4L * MOST_ROWS * (MOST_COLUMNS + GAP));
  private final GuardedMemory addedMemory = new GuardedMemory(startMemory.byteSize());
  private final GuardedMemory cMemory = new GuardedMemory(startMemory.byteSize());

  private int rows;
  private int columns;
  private int depth;
  private long aRow;
  private long bRow;
  private long startRow;
  private long cRow;
  private long a;
  private long b;
  private long start;
  private long c;
  private long added;

  static boolean isUsed() {
    return MachineTier.isUsed();
  }

  @ParameterizedTest
  @CsvSource({"256, 2", "512, 2", "512, 3"})
  void panelsAreRightAndStayWithinTheirOperands(int bits, int vectors) {
    check(bits, vectors, 20_000);
  }

  @Test
  @Tag("soak")
  void manyPanels() {
    int bits = VectorTier.chosen().bits();
    check(bits, 2, 1_000_000);
    if (bits == 512) {
      check(bits, 3, 1_000_000);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 3})
  void packsRows(int vectors) {
    if (VectorTier.chosen().bits() < 512) {
      return;
    }
    MicroKernel kernel = new MachineMicroKernel(512, new ScalarMicroKernel(16 * vectors));
    columns = kernel.columns();
    long row = 4L * columns;
    for (depth = 0; depth < MOST_DEPTH; depth++) {
      bRow = row + 4L * random.nextInt(GAP);
      b = place(bMemory, depth, bRow, columns);
      long packed = packedMemory.place(depth * row, random.nextBoolean());
      kernel.packRows(b, bRow, depth, packed);
      checkPacked(packed, row);
    }
  }

  private void check(int bits, int vectors, int times) {
    if (bits > VectorTier.chosen().bits()) {
      return;
    }
    MicroKernel kernel = new MachineMicroKernel(bits, new ScalarMicroKernel(vectors * bits / 32));
    for (int i = 0; i < times; i++) {
      draw(kernel);
      long table = tableMemory.place(8L * rows, random.nextBoolean());
      long offsets = offsetMemory.place(4L * depth, random.nextBoolean());
      MicroKernel.evenRows(table, a, aRow, rows);
      Packing.offsets(offsets, depth, 4);
      boolean adds = random.nextInt(3) == 0;
      boolean packs = bRow > 4 && !adds && random.nextBoolean();
      boolean rectifies = random.nextInt(4) == 0;
      long row = 4L * kernel.columns();
      long packed = packs ? packedMemory.place(depth * row, random.nextBoolean()) : 0;
      added = adds ? place(addedMemory, rows, cRow, columns) : 0;
      kernel.panel(
          table, offsets, b, bRow, depth, start, startRow, c, cRow, rows, columns, added, rectifies,
          packed);
      if (packs) {
        checkPacked(packed, row);
      }
      checkResult(rectifies);
    }
  }

  /** Sizes, places and values; without masks only whole panels. */
  private void draw(MicroKernel kernel) {
    rows = random.nextInt(1, MOST_ROWS + 1);
    columns = kernel.readsWholeRows() ? kernel.columns() : random.nextInt(1, kernel.columns() + 1);
    depth = random.nextInt(MOST_DEPTH + 1);
    aRow = 4L * (depth + random.nextInt(GAP));
    bRow = 4L * (columns + random.nextInt(GAP));
    startRow = random.nextInt(4) == 0 ? 0 : 4L * (columns + random.nextInt(GAP));
    cRow = 4L * (columns + random.nextInt(GAP));
    a = place(aMemory, rows, aRow, depth);
    b = place(bMemory, depth, bRow, columns);
    start = place(startMemory, rows, startRow, columns);
    c = place(cMemory, rows, cRow, columns);
  }

  private long place(GuardedMemory memory, int rows, long row, int columns) {
    long bytes = rows == 0 ? 0 : (rows - 1) * row + 4L * columns;
    long address = memory.place(bytes, random.nextBoolean());
    for (long at = 0; at < bytes; at += 4) {
      Raw.putFloat(address + at, memory == cMemory ? SENTINEL : (float) random.nextDouble(-1, 1));
    }
    return address;
  }

  private void checkPacked(long packed, long row) {
    for (int t = 0; t < depth; t++) {
      for (int j = 0; j < columns; j++) {
        int found = Raw.getInt(packed + t * row + 4L * j);
        int expected = Raw.getInt(b + t * bRow + 4L * j);
        if (found != expected) {
          assertThat(found).as("packed element %d, %d", t, j).isEqualTo(expected);
        }
      }
    }
  }

  private void checkResult(boolean rectified) {
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < cRow / 4 && (i < rows - 1 || j < columns); j++) {
        float sum = j < columns ? expected(i, j) : SENTINEL;
        float expected = rectified && sum <= 0 ? 0f : sum;
        float found = Raw.getFloat(c + i * cRow + 4L * j);
        if (Float.floatToRawIntBits(found) != Float.floatToRawIntBits(expected)) {
          assertThat(found)
              .as("element %d, %d of %d x %d, k %d", i, j, rows, columns, depth)
              .isEqualTo(expected);
        }
      }
    }
  }

  private float expected(int i, int j) {
    float sum = 0;
    for (int t = 0; t < depth; t++) {
      float left = Raw.getFloat(a + i * aRow + 4L * t);
      sum = Math.fma(left, Raw.getFloat(b + t * bRow + 4L * j), sum);
    }
    float result = Raw.getFloat(start + i * startRow + 4L * j) + sum;
    return added == 0 ? result : result + Raw.getFloat(added + i * cRow + 4L * j);
  }
}
