package io.quern.cpu.gemm;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.GuardedMemory;
import io.quern.runtime.Raw;
import java.util.SplittableRandom;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Products with block-quantised weights have the bits of the loops that the JVM compiles, are near
 * those in double precision, and touch nothing but their operands, which end, or begin, at pages
 * that crash the process.
 */
@EnabledIf(value = "isUsed", disabledReason = "no machine code for AVX-512 here, or switched off")
class MachineBlockProductsTest {
  private static final int MOST_ROWS = BlockProducts.MOST_ROWS;
  private static final int MOST_WEIGHTS = 6;
  private static final int[] BLOCKS = {16, 32, 64, 128, 256, 512};

  /** Elements between rows of results. */
  private static final int GAP = 5;

  /** Enough for sums to be kept from one slice of a row to the next. */
  private static final int LONG = 3000;

  private static final int SHORT = 600;
  private static final int MOST = LONG + BLOCKS[BLOCKS.length - 1];
  private static final float SENTINEL = 12345;

  private final SplittableRandom random = new SplittableRandom(1);
  private final GuardedMemory aMemory = new GuardedMemory(4L * MOST_ROWS * LONG);
  private final GuardedMemory weightMemory = new GuardedMemory((long) MOST_WEIGHTS * MOST);
  private final GuardedMemory scaleMemory = new GuardedMemory(4L * MOST_WEIGHTS * MOST / 16);
  private final GuardedMemory zeroMemory = new GuardedMemory(scaleMemory.byteSize());
  private final GuardedMemory spreadMemory = new GuardedMemory(4L * MOST_ROWS * MOST);
  private final GuardedMemory resultMemory =
      new GuardedMemory(4L * MOST_ROWS * (MOST_WEIGHTS + GAP));

  private BlockLayout layout;
  private int rows;
  private int count;
  private long toRow;
  private long a;
  private long weights;
  private long scales;
  private long zeros;

  static boolean isUsed() {
    return MachineTier.has512Bits();
  }

  @ParameterizedTest
  @CsvSource({"4, false", "4, true", "8, false", "8, true"})
  void productsHaveTheBitsOfLoopsAndStayWithinTheirOperands(int bits, boolean hasZeros) {
    check(bits, hasZeros, 1_500);
  }

  /** Every remainder of k in a block and in a vector. */
  @ParameterizedTest
  @CsvSource({"4, false", "8, true"})
  void everyLength(int bits, boolean hasZeros) {
    for (int k = 1; k <= 290; k++) {
      checkOne(new BlockLayout(bits, BLOCKS[k % 3], k), hasZeros);
    }
  }

  @Test
  @Tag("soak")
  void manyProducts() {
    for (int bits : new int[] {4, 8}) {
      check(bits, false, 100_000);
      check(bits, true, 100_000);
    }
  }

  private void check(int bits, boolean hasZeros, int times) {
    for (int i = 0; i < times; i++) {
      int block = BLOCKS[random.nextInt(BLOCKS.length)];
      int k = random.nextInt(1, random.nextInt(8) == 0 ? LONG : SHORT);
      checkOne(new BlockLayout(bits, block, k), hasZeros);
    }
  }

  private void checkOne(BlockLayout drawn, boolean hasZeros) {
    layout = drawn;
    rows = random.nextInt(1, MOST_ROWS + 1);
    count = random.nextInt(1, MOST_WEIGHTS + 1);
    toRow = 4L * (count + random.nextInt(GAP));
    a = floats(aMemory, rows * layout.k());
    weights = weightMemory.place(count * layout.rowBytes(), random.nextBoolean());
    for (long at = 0; at < count * layout.rowBytes(); at++) {
      Raw.putByte(weights + at, (byte) random.nextInt());
    }
    scales = floats(scaleMemory, count * layout.blocks());
    zeros = hasZeros ? floats(zeroMemory, count * layout.blocks()) : 0;
    for (long i = 0; hasZeros && i < count * layout.blocks(); i++) {
      Raw.putFloat(zeros + 4 * i, random.nextInt(1 << layout.bits()));
    }
    float[] expected = run(new CompiledBlockProducts(layout));
    float[] found = run(new MachineBlockProducts(layout, hasZeros, rows));
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < toRow / 4 && (i < rows - 1 || j < count); j++) {
        int at = (int) (i * toRow / 4) + j;
        if (Float.floatToRawIntBits(found[at]) != Float.floatToRawIntBits(expected[at])) {
          assertThat(found[at]).as(where(i, j)).isEqualTo(expected[at]);
        }
        if (j < count) {
          checkNear(i, j, found[at]);
        } else {
          assertThat(found[at]).as(where(i, j)).isEqualTo(SENTINEL);
        }
      }
    }
  }

  private String where(int i, int j) {
    return "element %d, %d of %d x %d, %s".formatted(i, j, rows, count, layout);
  }

  private long floats(GuardedMemory memory, long elements) {
    long address = memory.place(4 * elements, random.nextBoolean());
    for (long i = 0; i < elements; i++) {
      Raw.putFloat(address + 4 * i, (float) random.nextDouble(-1, 1));
    }
    return address;
  }

  /** All results, and what lies between them. */
  private float[] run(BlockProducts products) {
    long spread = spreadMemory.place(products.spreadBytes(rows), random.nextBoolean());
    products.spread(a, rows, spread);
    float[] results = new float[(int) ((rows - 1) * toRow / 4) + count];
    long to = resultMemory.place(4L * results.length, random.nextBoolean());
    for (int i = 0; i < results.length; i++) {
      Raw.putFloat(to + 4L * i, SENTINEL);
    }
    products.run(weights, scales, zeros, spread, rows, count, to, toRow);
    for (int i = 0; i < results.length; i++) {
      results[i] = Raw.getFloat(to + 4L * i);
    }
    return results;
  }

  /** A rounding for each of k products and sums, and those of the first product and the scale. */
  private void checkNear(int i, int j, float found) {
    double sum = 0;
    double size = 0;
    int perByte = 8 / layout.bits();
    for (long t = 0; t < layout.k(); t++) {
      int packed = Raw.getByte(weights + j * layout.rowBytes() + t / perByte) & 0xFF;
      int number = packed >> (int) (t % perByte * layout.bits()) & ((1 << layout.bits()) - 1);
      long block = 4 * (j * layout.blocks() + t / layout.block());
      double zero = zeros == 0 ? layout.middle() : Raw.getFloat(zeros + block);
      double weight = (number - zero) * Raw.getFloat(scales + block);
      double product = weight * Raw.getFloat(a + 4 * (i * layout.k() + t));
      sum += product;
      size += Math.abs(product);
    }
    double bound = (layout.k() + 2) * 0x1p-24 * size;
    if (Math.abs(found - sum) > bound) {
      assertThat((double) found).as(where(i, j)).isCloseTo(sum, Offset.offset(bound));
    }
  }
}
