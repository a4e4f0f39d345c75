package io.quern.cpu.gemm;

import io.quern.backend.Operands;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;

/**
 * Zero points of block-quantised weights as floats, one for each block of n rows.
 *
 * @param bits of a packed zero point, the low ones of a byte first
 */
record ZeroPoints(int bits, long n, long blocks) implements Packer {
  private static final int FROM = 0;
  private static final int TO = 1;

  /** Rows that make up a chunk of work. */
  private static final int ROWS = 64;

  @Override
  public long bytes() {
    return 4 * n * blocks;
  }

  @Override
  public void pack(Operands call, long from, long to) {
    call.keep(FROM, from);
    call.keep(TO, to);
    Workers.shared().run(this::rows, call, Math.toIntExact((n + ROWS - 1) / ROWS));
  }

  private void rows(Operands call, int chunk) {
    long rowBytes = (blocks * bits + 7) / 8;
    long end = Math.min(n, (chunk + 1L) * ROWS);
    for (long row = (long) chunk * ROWS; row < end; row++) {
      long from = call.kept(FROM) + row * rowBytes;
      long to = call.kept(TO) + 4 * row * blocks;
      for (long i = 0; i < blocks; i++) {
        int pair = Raw.getByte(from + i * bits / 8) & 0xFF;
        int value = pair >> (i * bits % 8) & ((1 << bits) - 1);
        Raw.putFloat(to + 4 * i, value);
      }
    }
  }

  @Override
  public String name() {
    return "zero_points_f32";
  }
}
