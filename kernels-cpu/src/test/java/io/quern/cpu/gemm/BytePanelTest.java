package io.quern.cpu.gemm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.quern.DType;
import io.quern.backend.Buffer;
import io.quern.backend.Operands;
import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.GuardedMemory;
import io.quern.op.Quantization;
import io.quern.runtime.Raw;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Products of bytes that give bytes are those of plain loops, by vectors and in tile registers, and
 * touch nothing but their operands, which end, or begin, at pages that crash the process.
 */
@EnabledIf(value = "isUsed", disabledReason = "no products of bytes here")
class BytePanelTest {
  private static final int MOST_ROWS = 70;
  private static final int MOST_CHANNELS = 40;
  private static final int MOST_TAPS = 4;
  private static final int MOST_COLUMNS = 3 * BytePanel.WIDTH;
  private static final int GAP = 5;
  private static final byte SENTINEL = 85;

  private final SplittableRandom random = new SplittableRandom(3);
  private final GuardedMemory weights = new GuardedMemory(MOST_ROWS * MOST_CHANNELS * MOST_TAPS);
  private final GuardedMemory packed = new GuardedMemory(96 * 260);
  private final GuardedMemory panels = new GuardedMemory(4L * MOST_COLUMNS * 64);
  private final GuardedMemory rowsOf = new GuardedMemory(ByteResults.ROW * MOST_ROWS);
  private final GuardedMemory limits = new GuardedMemory(ByteResults.LIMITS);
  private final GuardedMemory results = new GuardedMemory(MOST_ROWS * (MOST_COLUMNS + GAP));
  private final GuardedMemory scratch = new GuardedMemory(TileCode.SCRATCH);

  static boolean isUsed() {
    return BytePanel.isAvailable();
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void productsAreRightAndStayWithinTheirOperands(boolean hasTiles) {
    assumeTrue(!hasTiles || MachineTier.hasTiles(), "no tile registers here, or quern.amx=off");
    check(hasTiles, 2_000);
  }

  @Test
  @Tag("soak")
  void manyProducts() {
    check(false, 1_000_000);
    if (MachineTier.hasTiles()) {
      check(true, 1_000_000);
    }
  }

  private void check(boolean hasTiles, int times) {
    for (int i = 0; i < times; i++) {
      int rows = random.nextInt(1, MOST_ROWS + 1);
      int channels = random.nextInt(1, MOST_CHANNELS + 1);
      int taps = random.nextInt(1, MOST_TAPS + 1);
      ByteRowPacker packer = new ByteRowPacker(1, rows, channels, taps);
      check(packer, new BytePanel(packer, hasTiles));
    }
  }

  private void check(ByteRowPacker packer, BytePanel product) {
    int columns = random.nextInt(1, MOST_COLUMNS + 1);
    int k = packer.channels() * packer.taps();
    long from = bytes(weights, (long) packer.rows() * k);
    long group = packed.place(packer.bytes(), random.nextBoolean());
    packer.pack(new Operands(new Buffer[0], new long[0]), from, group);
    int wholes = (columns + BytePanel.WIDTH - 1) / BytePanel.WIDTH;
    long panel = bytes(panels, 4L * BytePanel.WIDTH * product.fours() * wholes);
    int zero = random.nextInt(256);
    int low = random.nextInt(256);
    Quantization result =
        random.nextBoolean()
            ? new Quantization(DType.U8, zero, low, random.nextInt(low, 256))
            : Quantization.of(DType.I8, zero - 128);
    long limit = limits.place(ByteResults.LIMITS, random.nextBoolean());
    ByteResults.putLimits(limit, result);
    long done = rowsOf.place((long) ByteResults.ROW * packer.rows(), random.nextBoolean());
    for (int row = 0; row < packer.rows(); row++) {
      float scale = (float) (random.nextDouble(0.5, 2) / (64 * Math.sqrt(k)));
      ByteResults.putRow(done + (long) ByteResults.ROW * row, random.nextInt(-9000, 9000), scale);
    }
    int gap = random.nextInt(GAP);
    long toRow = (long) columns + gap;
    long size = (packer.rows() - 1L) * toRow + columns;
    long to = results.place(size, random.nextBoolean());
    for (long at = 0; at < size; at++) {
      Raw.putByte(to + at, SENTINEL);
    }
    int first = random.nextInt((packer.rows() - 1) / BytePanel.BLOCK + 1) * BytePanel.BLOCK;
    int count = packer.rows() - first;
    long work = scratch.place(product.scratchBytes(count), random.nextBoolean());
    long target = to + first * toRow;
    long doneFirst = done + (long) ByteResults.ROW * first;
    product.run(group, first, count, panel, columns, doneFirst, limit, target, toRow, work);
    for (int row = 0; row < packer.rows(); row++) {
      for (int j = 0; j < toRow && row * toRow + j < size; j++) {
        byte expected =
            row < first || j >= columns
                ? SENTINEL
                : expected(packer, from, panel, product.fours(), row, j, done, result);
        byte found = Raw.getByte(to + row * toRow + j);
        if (found != expected) {
          assertThat(found).as("row %d, column %d, %s", row, j, packer).isEqualTo(expected);
        }
      }
    }
  }

  private byte expected(
      ByteRowPacker packer,
      long weights,
      long panels,
      int fours,
      int row,
      int column,
      long rowsOf,
      Quantization result) {
    long panel = panels + (long) column / BytePanel.WIDTH * fours * 4 * BytePanel.WIDTH;
    int sum = Raw.getInt(rowsOf + (long) ByteResults.ROW * row);
    for (int channel = 0; channel < packer.channels(); channel++) {
      for (int tap = 0; tap < packer.taps(); tap++) {
        int four = channel / 4 * packer.taps() + tap;
        long at = panel + 4L * (four * BytePanel.WIDTH + column % BytePanel.WIDTH) + channel % 4;
        long weight = weights + ((long) row * packer.channels() + channel) * packer.taps() + tap;
        sum += Raw.getByte(weight) * (Raw.getByte(at) & 0xFF);
      }
    }
    float scaled = (float) sum * Raw.getFloat(rowsOf + (long) ByteResults.ROW * row + 4);
    double moved = Math.rint(scaled) + result.zero();
    return (byte) Math.max(result.low(), Math.min(result.high(), moved));
  }

  private long bytes(GuardedMemory memory, long size) {
    long address = memory.place(size, random.nextBoolean());
    for (long at = 0; at < size; at++) {
      Raw.putByte(address + at, (byte) random.nextInt());
    }
    return address;
  }
}
