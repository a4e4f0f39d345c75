package io.quern.cpu.gemm;

import io.quern.backend.Operands;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;

/**
 * Packs the weights of a convolution, bytes [groups * rows, channels, taps] of I8, for products
 * with panels of fours of channels: blocks of {@value TileCode#ROWS} rows, in a block {@value
 * TileCode#LINE} bytes of each row side by side, four channels for each tap. What is missing is
 * zero. Behind a group's blocks is the sum of each row.
 */
public record ByteRowPacker(int groups, int rows, int channels, int taps) implements Packer {
  static final int BLOCK = TileCode.ROWS;
  private static final int LINE = TileCode.LINE;
  private static final int FROM = 0;
  private static final int TO = 1;

  /** Fours of bytes in a row. */
  int fours() {
    return (channels + 3) / 4 * taps;
  }

  /** Bytes of a row: whole lines. */
  public int rowBytes() {
    return (4 * fours() + LINE - 1) / LINE * LINE;
  }

  private int blocks() {
    return (rows + BLOCK - 1) / BLOCK;
  }

  /** Bytes from a group to the next. */
  public long groupBytes() {
    return (long) blocks() * BLOCK * (rowBytes() + 4);
  }

  /** Address of a row's sum in a packed group. */
  public long sumOf(long group, int row) {
    return group + (long) blocks() * BLOCK * rowBytes() + 4L * row;
  }

  /** Where a row begins in a packed group; it goes on {@link #fourOffset} further. */
  long rowOffset(int row) {
    return (long) (row / BLOCK) * BLOCK * rowBytes() + (long) row % BLOCK * LINE;
  }

  /** How far behind the beginning of its row a four of bytes is. */
  static long fourOffset(int four) {
    return 4L * four / LINE * (BLOCK * LINE) + 4L * four % LINE;
  }

  @Override
  public long bytes() {
    return groups * groupBytes();
  }

  @Override
  public void pack(Operands call, long from, long to) {
    call.keep(FROM, from);
    call.keep(TO, to);
    Workers.shared().run(this::block, call, groups * blocks());
  }

  private void block(Operands call, int task) {
    long group = call.kept(TO) + task / blocks() * groupBytes();
    int first = task % blocks() * BLOCK;
    Raw.zero(group + rowOffset(first), (long) BLOCK * rowBytes());
    for (int row = first; row < Math.min(rows, first + BLOCK); row++) {
      long from = call.kept(FROM) + ((long) task / blocks() * rows + row) * channels * taps;
      long to = group + rowOffset(row);
      int sum = 0;
      for (int channel = 0; channel < channels; channel++) {
        for (int tap = 0; tap < taps; tap++) {
          byte weight = Raw.getByte(from++);
          Raw.putByte(to + fourOffset(channel / 4 * taps + tap) + channel % 4, weight);
          sum += weight;
        }
      }
      Raw.putInt(sumOf(group, row), sum);
    }
  }

  @Override
  public String name() {
    return "pack_i8_rows_" + BLOCK;
  }
}
