package io.quern.cpu.conv;

import io.quern.cpu.Twins;
import io.quern.cpu.gemm.EverySecond;
import io.quern.cpu.gemm.MicroKernel;
import io.quern.op.Window;
import io.quern.runtime.Raw;

/**
 * One channel laid out such that a filter is the same sum at every position: result {@code p} adds
 * up elements {@code p + offset(tap)}. Results lie in rows of {@link #pitch} positions, of which
 * the first {@link #columns} count. Strides cut the padded channel into phases, each a plane of
 * every so many rows and columns. Immutable and thread-safe.
 */
final class DepthwisePlane {
  /** Positions are computed in multiples of this; the memory behind the last one is zero. */
  static final int ROUND = 64;

  private final MicroKernel micro = MicroKernel.chosen();
  private final Twins<EverySecond> everySecond = EverySecond.twins();
  private final Window window;
  private final boolean gradient;
  private final int sourceH;
  private final int sourceW;

  /** Rows and columns between two of the source. */
  private final int stepH;

  private final int stepW;

  /** Phases of the plane. */
  private final int phasesH;

  private final int phasesW;

  /** Row and column of the source's first element. */
  private final int firstH;

  private final int firstW;

  private final int resultRows;
  private final int columns;
  private final int phaseRows;
  private final int pitch;

  private DepthwisePlane(ConvShape shape, boolean gradient) {
    this.window = shape.window();
    this.gradient = gradient;
    this.sourceH = gradient ? shape.oh() : shape.h();
    this.sourceW = gradient ? shape.ow() : shape.w();
    this.stepH = gradient ? window.strideH() : 1;
    this.stepW = gradient ? window.strideW() : 1;
    this.phasesH = gradient ? 1 : window.strideH();
    this.phasesW = gradient ? 1 : window.strideW();
    this.firstH = gradient ? reachH() - window.padTop() : window.padTop();
    this.firstW = gradient ? reachW() - window.padLeft() : window.padLeft();
    this.resultRows = gradient ? shape.h() : shape.oh();
    this.columns = gradient ? shape.w() : shape.ow();
    this.phaseRows = resultRows + reachH() / phasesH;
    this.pitch = columns + reachW() / phasesW;
  }

  /** The plane of images whose filter gives the output. */
  static DepthwisePlane forward(ConvShape shape) {
    return new DepthwisePlane(shape, false);
  }

  /** The plane of gradients of the output, spread out, whose filter gives those of the images. */
  static DepthwisePlane inputGrad(ConvShape shape) {
    return new DepthwisePlane(shape, true);
  }

  private int reachH() {
    return (window.kernelH() - 1) * window.dilationH();
  }

  private int reachW() {
    return (window.kernelW() - 1) * window.dilationW();
  }

  int rows() {
    return resultRows;
  }

  int columns() {
    return columns;
  }

  int pitch() {
    return pitch;
  }

  int taps() {
    return window.kernelH() * window.kernelW();
  }

  /** Positions that are computed, with those between rows and after the last. */
  int positions() {
    return (resultRows * pitch + ROUND - 1) / ROUND * ROUND;
  }

  /** Bytes of the plane. */
  long bytes() {
    long floats = (long) phasesH * phasesW * phaseRows * pitch + reachW() + ROUND;
    return (4 * floats + ROUND - 1) / ROUND * ROUND;
  }

  /** Where each tap finds its elements, in bytes from those of a position. */
  int[] offsets() {
    int[] offsets = new int[taps()];
    for (int tap = 0; tap < offsets.length; tap++) {
      int i = tap / window.kernelW() * window.dilationH();
      int j = tap % window.kernelW() * window.dilationW();
      offsets[tap] = Math.toIntExact(4 * (gradient ? at(reachH() - i, reachW() - j) : at(i, j)));
    }
    return offsets;
  }

  /** Where a row and column of the padded channel lie, in elements. */
  private long at(int row, int column) {
    long phase = (long) row % phasesH * phasesW + column % phasesW;
    return (phase * phaseRows + row / phasesH) * pitch + column / phasesW;
  }

  /** Lays a channel out in place of another one, or of zeros. */
  void replace(long source, long to) {
    for (int phaseH = 0; phaseH < phasesH; phaseH++) {
      for (int phaseW = 0; phaseW < phasesW; phaseW++) {
        replace(source, phaseH, phaseW, to);
      }
    }
  }

  /** Every so many rows and columns of the source; either it has steps or the plane has phases. */
  private void replace(long source, int phaseH, int phaseW, long to) {
    int y = first(firstH, stepH, phasesH, phaseH);
    int x = first(firstW, stepW, phasesW, phaseW);
    int row = y * stepH + firstH;
    int column = x * stepW + firstW;
    int rows = count(sourceH - y, phasesH, phaseRows - row / phasesH, stepH);
    int columns = count(sourceW - x, phasesW, pitch - column / phasesW, stepW);
    if (rows <= 0 || columns <= 0) {
      return;
    }
    long from = source + 4L * ((long) y * sourceW + x);
    long fromRow = 4L * sourceW * phasesH;
    long target = to + 4 * at(row, column);
    long targetRow = 4L * pitch * stepH;
    if (stepW == 1 && phasesW == 1) {
      micro.copyRows(from, fromRow, target, targetRow, rows, columns, 0);
    } else if (stepW == 1 && phasesW == 2) {
      everySecond.get().copyRows(from, fromRow, target, targetRow, rows, columns);
    } else {
      for (int i = 0; i < rows; i++) {
        move(from + i * fromRow, 4L * phasesW, target + i * targetRow, 4L * stepW, columns);
      }
    }
  }

  /** The first of the source's rows, or columns, that the phase of a plane has. */
  private static int first(int start, int step, int phases, int phase) {
    int at = 0;
    while (at * step + start < 0 || (at * step + start) % phases != phase) {
      at++;
    }
    return at;
  }

  /** How many lines there are, every so many, and room for. */
  private static int count(int lines, int every, int room, int step) {
    return Math.min(Math.ceilDiv(lines, every), Math.ceilDiv(room, step));
  }

  private static void move(long from, long fromStep, long to, long toStep, int count) {
    for (int i = 0; i < count; i++) {
      Raw.putFloat(to, Raw.getFloat(from));
      from += fromStep;
      to += toStep;
    }
  }
}
