package io.quern.cpu.gemm;

import static io.quern.cpu.gemm.MicroKernel.ROWS;

import io.quern.runtime.Raw;

/** Copies parts of matrices into the order in which the micro-kernel reads them. */
public final class Packing {
  private static final Transpose TRANSPOSE = Transpose.chosen();

  /** Rows of B that are packed at a time in all panels of a strip. */
  private static final long STRIP_ROWS = 8;

  private Packing() {}

  /**
   * Packs rows of A into panels of {@link MicroKernel#ROWS}: element (i, t) of a panel lies at
   * {@code to + (t * ROWS + i) * 4}. Missing rows of the last panel are zero.
   *
   * @param row bytes from a row of A to the next
   * @param step bytes from an element to the next of its row
   */
  public static void packA(long from, long row, long step, long rows, long k, long to) {
    for (long i = 0; i < rows; i += ROWS) {
      int present = (int) Math.min(ROWS, rows - i);
      long panel = to + 4 * i * k;
      if (present == ROWS) {
        packPanelA(from + i * row, row, step, k, panel);
      } else {
        Raw.zero(panel, 4L * ROWS * k);
        for (int r = 0; r < present; r++) {
          packRowA(from + (i + r) * row, step, k, panel + 4L * r);
        }
      }
    }
  }

  private static void packPanelA(long from, long row, long step, long k, long to) {
    if (step == 4) {
      MicroKernel.chosen().packColumns(from, row, k, to);
      return;
    }
    for (long t = 0; t < k; t++) {
      for (int i = 0; i < ROWS; i++) {
        Raw.putFloat(to + 4L * i, Raw.getFloat(from + i * row));
      }
      from += step;
      to += 4L * ROWS;
    }
  }

  private static void packRowA(long from, long step, long k, long to) {
    for (long t = 0; t < k; t++) {
      Raw.putFloat(to + 4L * ROWS * t, Raw.getFloat(from + step * t));
    }
  }

  /**
   * Packs {@code count} columns of B into panels, one after another, as {@link #packB} packs one.
   * Rows are read some at a time in all panels, so that memory is read in longer pieces.
   */
  public static void packPanels(
      MicroKernel micro,
      long from,
      long row,
      long step,
      long count,
      long k,
      long to,
      long scratch) {
    int width = micro.columns();
    long whole = step == 4 ? count / width * width : 0;
    for (long t = 0; t < k; t += STRIP_ROWS) {
      long rows = Math.min(STRIP_ROWS, k - t);
      for (long j = 0; j < whole; j += width) {
        micro.packRows(from + t * row + 4 * j, row, rows, to + 4 * (j * k + t * width));
      }
    }
    for (long j = whole; j < count; j += width) {
      long columns = Math.min(width, count - j);
      packB(micro, from + j * step, row, step, columns, k, to + 4 * j * k, scratch);
    }
  }

  /**
   * Packs {@code count} columns of B into one panel of the micro-kernel's width: element (t, j)
   * lies at {@code to + (t * width + j) * 4}. Missing columns are zero.
   *
   * @param row bytes from a row of B to the next
   * @param step bytes from an element to the next of its row
   * @param scratch address of {@link Transpose#SCRATCH} bytes
   */
  public static void packB(
      MicroKernel micro,
      long from,
      long row,
      long step,
      long count,
      long k,
      long to,
      long scratch) {
    int width = micro.columns();
    if (count == width && step == 4) {
      micro.packRows(from, row, k, to);
      return;
    }
    if (count < width) {
      Raw.zero(to, 4L * width * k);
    }
    if (row == 4) {
      TRANSPOSE.run(from, step, count, k, to, 4L * width, scratch);
      return;
    }
    for (long j = 0; j < count; j++) {
      long source = from + j * step;
      long target = to + 4 * j;
      for (long t = 0; t < k; t++) {
        Raw.putFloat(target, Raw.getFloat(source));
        source += row;
        target += 4L * width;
      }
    }
  }

  /** Fills a table of {@code k} offsets, {@code step} bytes apart. */
  public static void offsets(long table, long k, long step) {
    for (long t = 0; t < k; t++) {
      Raw.putInt(table + 4 * t, Math.toIntExact(t * step));
    }
  }
}
