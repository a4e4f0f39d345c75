package io.quern.cpu.gemm;

import io.quern.backend.Operands;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;

/**
 * Packs a matrix B of k rows and n columns of 16-bit elements, both multiples of 2 and {@value
 * #WIDTH}, into panels of {@value #WIDTH} columns: pairs of a column's elements side by side.
 *
 * @param row bytes from a row to the next
 * @param step bytes from an element to the next of its row
 */
record PairPacker(long k, long n, long row, long step) implements Packer {
  /** Columns of a panel. */
  static final int WIDTH = 32;

  private static final int FROM = 0;
  private static final int TO = 1;

  long panels() {
    return n / WIDTH;
  }

  long panelBytes() {
    return 2 * WIDTH * k;
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
    long from = call.kept(FROM) + (long) panel * WIDTH * step;
    long to = call.kept(TO) + panel * panelBytes();
    for (long t = 0; t < k; t += 2) {
      long at = from + t * row;
      for (long j = 0; j < WIDTH; j++) {
        int first = Raw.getShort(at) & 0xFFFF;
        Raw.putInt(to, first | Raw.getShort(at + row) << 16);
        at += step;
        to += 4;
      }
    }
  }

  @Override
  public String name() {
    return "pack_bf16_panels_" + WIDTH;
  }
}
