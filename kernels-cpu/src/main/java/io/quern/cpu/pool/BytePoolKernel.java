package io.quern.cpu.pool;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.MachineFunction;
import io.quern.op.Pool2d;
import io.quern.op.Window;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;
import org.jspecify.annotations.Nullable;

/**
 * Pool2d of contiguous bytes, for maxima, by machine code: the maxima of the rows of windows, with
 * the least byte in the padding beside them, then those of the columns, of which every second one
 * is kept for windows of that stride. Immutable and thread-safe.
 */
public final class BytePoolKernel implements Kernel {
  /** Apart from the class itself, for processors that have the instructions. */
  private static final class Code {
    static final MachineFunction UNSIGNED =
        MachineTier.place("max_u8", new BytePoolCode().maxima(false));
    static final MachineFunction SIGNED =
        MachineTier.place("max_i8", new BytePoolCode().maxima(true));
    static final MachineFunction EVERY_SECOND =
        MachineTier.place("every_second_u8", new BytePoolCode().everySecond());
  }

  private final PoolShape shape;
  private final Window window;
  private final boolean signed;

  /** Bytes of a padded row, and of the maxima of its columns for a stride of 1. */
  private final int paddedWidth;

  private final int denseWidth;
  private final Workers.Task<Operands> task = this::planes;

  BytePoolKernel(PoolShape shape, boolean signed) {
    this.shape = shape;
    this.window = shape.pool().window();
    this.signed = signed;
    this.denseWidth = (shape.ow() - 1) * window.strideW() + 1;
    this.paddedWidth = denseWidth + (window.kernelW() - 1) * window.dilationW();
  }

  /** The kernel for {@code key}, or null when it is not for maxima of contiguous bytes. */
  public static @Nullable Kernel create(KernelKey key) {
    boolean fits =
        key.op() instanceof Pool2d pool
            && pool.fn() == Pool2d.Fn.MAX
            && (key.dtype(0) == DType.U8 || key.dtype(0) == DType.I8)
            && MachineTier.multipliesBytes()
            && key.isContiguous()
            && key.output().shape().size() > 0
            && pool.window().strideW() <= 2
            && PoolShape.fits(pool, key.shape(0));
    return fits
        ? new BytePoolKernel(
            PoolShape.of((Pool2d) key.op(), key.shape(0), key.output().shape()),
            key.dtype(0) == DType.I8)
        : null;
  }

  @Override
  public void run(Operands operands) {
    Workers.shared().run(task, operands, shape.chunks());
  }

  private void planes(Operands operands, int chunk) {
    int first = chunk * shape.planesPerChunk();
    int end = Math.min(shape.planes(), first + shape.planesPerChunk());
    pool(operands.address(0), operands.address(1), first, end);
  }

  /** Pools some planes. */
  void pool(long images, long outputs, int first, int end) {
    long paddedBytes = (long) shape.oh() * paddedWidth;
    long denseBytes = (long) shape.oh() * denseWidth + BytePoolCode.BYTES;
    MemoryPool.Block scratch = HostMemory.shared().allocate(paddedBytes + denseBytes);
    fillPadding(scratch.address());
    for (int plane = first; plane < end; plane++) {
      long from = images + (long) plane * shape.h() * shape.w();
      long to = outputs + (long) plane * shape.oh() * shape.ow();
      rows(from, scratch.address());
      columns(scratch.address(), scratch.address() + paddedBytes, to);
    }
    HostMemory.shared().free(scratch);
  }

  /** Maxima of rows leave what is beside the image as it is. */
  private void fillPadding(long padded) {
    byte least = signed ? Byte.MIN_VALUE : 0;
    int end = window.padLeft() + shape.w();
    for (int y = 0; y < shape.oh(); y++) {
      for (int x = 0; x < paddedWidth; x++) {
        if (x < window.padLeft() || x >= end) {
          Raw.putByte(padded + (long) y * paddedWidth + x, least);
        }
      }
    }
  }

  /** The maxima of the rows of all windows, windows within the image together. */
  private void rows(long image, long padded) {
    int width = Math.min(shape.w(), paddedWidth - window.padLeft());
    long step = (long) window.dilationH() * shape.w();
    for (int y = 0; y < shape.oh(); ) {
      int top = shape.firstRow(y);
      int count = (shape.endRow(y) - top + window.dilationH() - 1) / window.dilationH();
      int end = y + 1;
      while (count == window.kernelH() && end < shape.oh() && isWithin(end)) {
        end++;
      }
      maxima(
          image + (long) top * shape.w(),
          step,
          count,
          padded + (long) y * paddedWidth + window.padLeft(),
          width,
          end - y,
          (long) window.strideH() * shape.w(),
          paddedWidth);
      y = end;
    }
  }

  private boolean isWithin(int y) {
    int top = y * window.strideH() - window.padTop();
    return top >= 0 && top + (window.kernelH() - 1) * window.dilationH() < shape.h();
  }

  private void columns(long padded, long dense, long to) {
    boolean isDense = window.strideW() == 1;
    maxima(
        padded,
        window.dilationW(),
        window.kernelW(),
        isDense ? to : dense,
        denseWidth,
        shape.oh(),
        paddedWidth,
        denseWidth);
    if (!isDense) {
      int vector = BytePoolCode.BYTES / 2;
      int whole = shape.ow() / vector * vector;
      long rest = (1L << shape.ow() % vector) - 1;
      Code.EVERY_SECOND.call(dense, to, whole, rest, shape.oh(), denseWidth, shape.ow(), 0);
    }
  }

  private void maxima(
      long from, long step, int count, long to, int width, int rows, long fromRow, long toRow) {
    int whole = width / BytePoolCode.BYTES * BytePoolCode.BYTES;
    long rest = (1L << width % BytePoolCode.BYTES) - 1;
    (signed ? Code.SIGNED : Code.UNSIGNED)
        .call(from, step, count, to, whole, rest, rows, fromRow, toRow);
  }

  @Override
  public String name() {
    return signed ? "max_pool2d_i8" : "max_pool2d_u8";
  }
}
