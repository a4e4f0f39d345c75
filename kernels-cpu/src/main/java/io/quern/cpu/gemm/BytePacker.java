package io.quern.cpu.gemm;

import io.quern.backend.Operands;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;

/**
 * Packs a matrix B of k rows and n columns of bytes into panels: fours of a column's bytes, as I8,
 * side by side, and behind them the sum of each column. U8 become I8 by taking 128 off. What is
 * missing of the last four and of the last panel is zero.
 *
 * @param width columns of a panel
 */
record BytePacker(long k, long n, boolean signed, int width) implements Packer {
  /** Columns of a panel for tile registers. */
  static final int WIDTH = 32;

  private static final int FROM = 0;
  private static final int TO = 1;

  /** Fours of bytes in a column. */
  long fours() {
    return (k + 3) / 4;
  }

  long panels() {
    return (n + width - 1) / width;
  }

  long panelBytes() {
    return 4L * width * (fours() + 1);
  }

  @Override
  public long bytes() {
    return panels() * panelBytes();
  }

  @Override
  public void pack(Operands call, long from, long to) {
    call.keep(FROM, from);
    call.keep(TO, to);
    Workers.shared().run(this::panel, call, Math.toIntExact(panels()));
  }

  private void panel(Operands call, int panel) {
    long from = call.kept(FROM) + (long) panel * width;
    long to = call.kept(TO) + panel * panelBytes();
    long count = Math.min(width, n - (long) panel * width);
    int flip = signed ? 0 : 0x80;
    Raw.zero(to, panelBytes());
    long sums = to + 4L * width * fours();
    for (long t = 0; t < k; t++) {
      long row = to + t / 4 * (4L * width) + t % 4;
      for (long j = 0; j < count; j++) {
        byte value = (byte) (Raw.getByte(from + t * n + j) ^ flip);
        Raw.putByte(row + 4 * j, value);
        Raw.putInt(sums + 4 * j, Raw.getInt(sums + 4 * j) + value);
      }
    }
  }

  @Override
  public String name() {
    return "pack_i8_panels_" + width;
  }
}
