package io.quern.cpu.pool;

import io.quern.cpu.Twins;
import io.quern.cpu.gemm.EverySecond;
import io.quern.cpu.gemm.MicroKernel;
import io.quern.op.Window;
import io.quern.runtime.Raw;
import java.lang.foreign.Arena;

/**
 * Windows of any kind, some output rows of a plane at a time: the rows of the windows are folded
 * over their whole length, then the columns at every position, of which the strides keep some.
 * Immutable and thread-safe.
 */
final class PoolBands implements PlanePool {
  /** Elements of the image rows that are folded together; they stay in the first-level cache. */
  private static final int BAND = 4096;

  private final PoolShape shape;
  private final Window window;
  private final float neutral;
  private final Twins<PoolMath> math;
  private final Twins<EverySecond> everySecond = EverySecond.twins();

  /** Columns of a row with its padding. */
  private final int pitch;

  private final int band;

  /** Whether windows lie within the image, which is then read in place. */
  private final boolean inside;

  private final Arena owner = Arena.ofAuto();

  /** What sums are divided by, for each output of a plane; 0 for maxima. */
  private final long divisors;

  PoolBands(PoolShape shape) {
    this.shape = shape;
    this.window = shape.pool().window();
    this.neutral = shape.neutral();
    this.math = PoolMath.twins(shape.pool().fn());
    int reach = (shape.ow() - 1) * window.strideW() + (window.kernelW() - 1) * window.dilationW();
    this.pitch = Math.max(window.padLeft() + shape.w(), reach + 1);
    this.inside =
        window.padTop() == 0
            && window.padLeft() == 0
            && pitch == shape.w()
            && imageRows(shape.oh()) <= shape.h();
    this.band = Math.clamp(BAND / (long) pitch / window.strideH(), 1, Math.max(1, shape.oh()));
    this.divisors = shape.divisors(owner);
  }

  /** Image rows under the windows of some output rows. */
  private int imageRows(int outputRows) {
    return (outputRows - 1) * window.strideH() + (window.kernelH() - 1) * window.dilationH() + 1;
  }

  private long paddedBytes() {
    return inside ? 0 : 4L * pitch * (imageRows(band) + 1);
  }

  @Override
  public long scratchBytes() {
    return paddedBytes() + 8L * pitch * band + PoolMath.SCRATCH;
  }

  private long scratchOfMath(long scratch) {
    return scratch + paddedBytes() + 8L * pitch * band;
  }

  @Override
  public void prepare(long scratch) {
    for (long at = scratch; at < scratch + paddedBytes(); at += 4) {
      Raw.putFloat(at, neutral);
    }
  }

  @Override
  public void plane(long from, long to, long scratch) {
    PoolMath now = math.get();
    long row = 4L * shape.ow();
    long rows = scratch + paddedBytes();
    for (int oy = 0; oy < shape.oh(); oy += band) {
      int count = Math.min(band, shape.oh() - oy);
      int y = oy * window.strideH() - window.padTop();
      long image = inside ? from + 4L * y * pitch : pad(from, y, imageRows(count), scratch);
      long folded = foldRows(now, image, count, rows, scratchOfMath(scratch));
      foldColumns(now, folded, count, to + oy * row, scratch);
      if (divisors != 0) {
        long size = (long) count * shape.ow();
        now.divide(to + oy * row, divisors + oy * row, size, scratchOfMath(scratch));
      }
    }
  }

  /** Copies rows of the image to where they are surrounded by padding; one more row is padding. */
  private long pad(long from, int first, int count, long to) {
    long row = 4L * pitch;
    long padding = to + imageRows(band) * row;
    int above = Math.clamp(-(long) first, 0, count);
    int end = Math.clamp(shape.h() - (long) first, above, count);
    long left = to + 4L * window.padLeft();
    copyRows(padding, 0, left, row, above, shape.w());
    long source = from + 4L * (first + above) * shape.w();
    copyRows(source, 4L * shape.w(), left + above * row, row, end - above, shape.w());
    copyRows(padding, 0, left + end * row, row, count - end, shape.w());
    return to;
  }

  private static void copyRows(
      long from, long fromRow, long to, long toRow, long rows, long count) {
    MicroKernel.chosen().copyRows(from, fromRow, to, toRow, rows, count, -0f);
  }

  /** Folds the rows of the windows; returns where the result is. */
  private long foldRows(PoolMath now, long image, int count, long to, long scratch) {
    long row = 4L * pitch;
    int kernel = window.kernelH();
    long step = window.dilationH() * row;
    if (window.strideH() == 1) {
      if (kernel == 1) {
        return image;
      }
      now.fold(image, step, kernel, (long) count * pitch, to, scratch);
    } else {
      for (int i = 0; i < count; i++) {
        long first = image + (long) i * window.strideH() * row;
        now.fold(first, step, kernel, pitch, to + i * row, scratch);
      }
    }
    return to;
  }

  private void foldColumns(PoolMath now, long rows, int count, long to, long scratch) {
    long step = 4L * window.dilationW();
    int kernel = window.kernelW();
    long columns = scratch + paddedBytes() + 4L * pitch * band;
    long size = (long) count * pitch - (kernel - 1L) * window.dilationW();
    now.fold(rows, step, kernel, size, columns, scratchOfMath(scratch));
    if (window.strideW() == 1) {
      copyRows(columns, 4L * pitch, to, 4L * shape.ow(), count, shape.ow());
      return;
    }
    for (int i = 0; i < count; i++) {
      keep(columns + 4L * i * pitch, to + 4L * i * shape.ow());
    }
  }

  /** Copies the columns that the stride keeps. */
  private void keep(long from, long to) {
    int stride = window.strideW();
    if (stride == 2) {
      everySecond.get().copy(from, shape.ow(), to);
    } else {
      for (int x = 0; x < shape.ow(); x++) {
        Raw.putFloat(to + 4L * x, Raw.getFloat(from + 4L * x * stride));
      }
    }
  }

  @Override
  public boolean warmUp() {
    boolean copiesAreFast = MicroKernel.chosen().warmUp();
    boolean stridesAreFast = window.strideW() != 2 || everySecond.await();
    return math.await() && copiesAreFast && stridesAreFast;
  }
}
