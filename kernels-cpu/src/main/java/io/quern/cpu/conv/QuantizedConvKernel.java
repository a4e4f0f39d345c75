package io.quern.cpu.conv;

import io.quern.DType;
import io.quern.Shape;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.cpu.gemm.BytePanel;
import io.quern.cpu.gemm.ByteResults;
import io.quern.cpu.gemm.ByteRowPacker;
import io.quern.op.QuantizedConv2d;
import io.quern.op.Window;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;
import org.jspecify.annotations.Nullable;

/**
 * QuantizedConv2d by products of bytes: output channels are the rows, and pixels the columns of
 * panels, in which four channels are one element. Strips of pixels are gathered in panels, from the
 * image itself or from a padded one of such elements, and meet all weights. With U8 for I8, which
 * are shifted by 128,
 *
 * <pre>sum (x - zero) w + bias = sum x w + (bias - zero sum w)</pre>
 *
 * Immutable and thread-safe.
 */
public final class QuantizedConvKernel implements Kernel {
  /** Bytes of a strip's panels, which stay in the second-level cache. */
  private static final int STRIP_BYTES = 1 << 19;

  /** Bytes of weights that meet one panel after another. */
  private static final int WEIGHT_BYTES = 1 << 17;

  private static final int TASKS_PER_THREAD = 4;

  /** Padded images that exist at one time. */
  private static final long PADDED_BYTES = 1 << 23;

  /** Output channels of a group below which floats are faster. */
  private static final int LEAST_ROWS = 8;

  // What a call keeps for its tasks.
  private static final int IMAGES = 0;
  private static final int WEIGHTS = 1;
  private static final int ROWS_OF_RESULT = 2;
  private static final int OUTPUTS = 3;
  private static final int PADDED_IMAGES = 4;
  private static final int FIRST = 5;
  private static final int PANELS_PER_TASK = 6;
  private static final int ROWS_PER_TASK = 7;

  private final QuantizedConv2d conv;
  private final DType dtype;

  /** With elements as channels. */
  private final ConvShape shape;

  private final int channels;
  private final Plane plane;
  private final ByteRowPacker packer;
  private final BytePanel product;
  private final boolean packedBefore;
  private final int panels;
  private final long panelBytes;
  private final Workers.Task<Operands> pad = this::pad;
  private final Workers.Task<Operands> multiply = this::multiply;

  private QuantizedConvKernel(KernelKey key, QuantizedConv2d conv) {
    this.conv = conv;
    this.dtype = key.dtype(0);
    this.packedBefore = false;
    Shape weight = key.shape(1);
    ConvShape bytes =
        ConvShape.of(conv.window(), conv.groups(), key.shape(0), weight, key.output().shape());
    this.channels = bytes.c();
    int elements = (channels + ByteMoves.CHANNELS - 1) / ByteMoves.CHANNELS;
    this.shape = bytes.withChannels(elements);
    this.plane = Plane.padded(shape);
    this.packer =
        new ByteRowPacker(
            shape.groups(),
            shape.oc(),
            channels,
            conv.window().kernelH() * conv.window().kernelW());
    this.product = new BytePanel(packer);
    this.panels = (shape.outputPixels() + BytePanel.WIDTH - 1) / BytePanel.WIDTH;
    this.panelBytes = 4L * BytePanel.WIDTH * product.fours();
  }

  /** The kernel for {@code key}, or null when an operand does not fit. */
  public static @Nullable Kernel create(KernelKey key) {
    boolean fits =
        key.op() instanceof QuantizedConv2d conv
            && BytePanel.isAvailable()
            && key.isContiguous()
            && key.output().shape().size() > 0
            && conv.window().strideW() <= 2
            && (conv.groups() == 1 || key.shape(1).dim(0) / conv.groups() >= LEAST_ROWS)
            && ConvShape.fitsPadded(
                conv.window(), conv.groups(), key.shape(0), key.shape(1), key.output().shape());
    return fits ? new QuantizedConvKernel(key, (QuantizedConv2d) key.op()) : null;
  }

  @Override
  public void run(Operands call) {
    if (packedBefore) {
      run(call, call.address(1));
      return;
    }
    MemoryPool.Block packed = HostMemory.shared().allocate(packer.bytes());
    try {
      packer.pack(call, call.address(1), packed.address());
      run(call, packed.address());
    } finally {
      HostMemory.shared().free(packed);
    }
  }

  private void run(Operands call, long weights) {
    int planes = shape.n() * shape.groups();
    int most = Math.toIntExact(Math.clamp(PADDED_BYTES / paddedBytes(), 1, planes));
    long padded = isDirect() ? 0 : most * paddedBytes();
    long rows = (long) ByteResults.ROW * shape.groups() * shape.oc();
    MemoryPool.Block memory = HostMemory.shared().allocate(padded + rows + ByteResults.LIMITS);
    try {
      call.keep(IMAGES, call.address(0));
      call.keep(WEIGHTS, weights);
      call.keep(OUTPUTS, call.address(4));
      call.keep(PADDED_IMAGES, memory.address());
      call.keep(ROWS_OF_RESULT, memory.address() + padded);
      rowsOfResult(call);
      for (int first = 0; first < planes; first += most) {
        int count = Math.min(most, planes - first);
        call.keep(FIRST, first);
        if (!isDirect()) {
          Workers.shared().run(pad, call, count * shape.c());
        }
        share(call, count);
      }
    } finally {
      HostMemory.shared().free(memory);
    }
  }

  /** Whether panels are gathered from the image itself. */
  private boolean isDirect() {
    return shape.isPointwise();
  }

  private int paddedHeight() {
    return shape.h() + conv.window().padTop() + conv.window().padBottom();
  }

  private long paddedBytes() {
    return 4L * shape.c() * paddedHeight() * plane.pitch();
  }

  private int zero() {
    return dtype == DType.I8 ? conv.zero() + 128 : conv.zero();
  }

  private int flip() {
    return dtype == DType.I8 ? 0x80808080 : 0;
  }

  private long limits(Operands call) {
    return call.kept(ROWS_OF_RESULT) + (long) ByteResults.ROW * shape.groups() * shape.oc();
  }

  private void rowsOfResult(Operands call) {
    ByteResults.putLimits(limits(call), conv.result());
    long to = call.kept(ROWS_OF_RESULT);
    for (int group = 0; group < shape.groups(); group++) {
      long packed = call.kept(WEIGHTS) + group * packer.groupBytes();
      for (int row = 0; row < shape.oc(); row++) {
        long channel = (long) group * shape.oc() + row;
        float scale = Raw.getFloat(call.address(2) + 4 * channel);
        int bias = Raw.getInt(call.address(3) + 4 * channel);
        int sum = Raw.getInt(packer.sumOf(packed, row));
        ByteResults.putRow(to + ByteResults.ROW * channel, bias - zero() * sum, scale);
      }
    }
  }

  /** One element of each pixel of a padded image. */
  private void pad(Operands call, int chunk) {
    int index = chunk / shape.c();
    int element = chunk % shape.c();
    Window window = conv.window();
    long row = 4L * plane.pitch();
    long to = call.kept(PADDED_IMAGES) + index * paddedBytes() + element * row * paddedHeight();
    long inside = to + window.padTop() * row + 4L * window.padLeft();
    border(to, inside);
    for (int y = 0; y < shape.h() - 1; y++) {
      border(inside + y * row + 4L * shape.w(), inside + (y + 1) * row);
    }
    border(inside + (shape.h() - 1) * row + 4L * shape.w(), to + row * paddedHeight());
    interleave(image(call, index), element, 0, inside, shape.w(), shape.h(), shape.w(), row);
  }

  /** Fills a range of elements with what stands for zero. */
  private void border(long from, long to) {
    int zeros = zero() * 0x01010101;
    for (long at = from; at < to; at += 4) {
      Raw.putInt(at, zeros);
    }
  }

  private long image(Operands call, int index) {
    long pixels = (long) channels * shape.inputPixels();
    return call.kept(IMAGES) + (call.kept(FIRST) + index) * pixels;
  }

  /** Lays the channels of an element side by side, from a pixel on. */
  private void interleave(
      long image, int element, int first, long to, int fromRow, int rows, int count, long toRow) {
    int channel = element * ByteMoves.CHANNELS;
    long from = image + (long) channel * shape.inputPixels() + first;
    int present = Math.min(ByteMoves.CHANNELS, channels - channel);
    ByteMoves.interleave(
        from, shape.inputPixels(), present, fromRow, to, toRow, rows, count, flip());
  }

  private void share(Operands call, int planes) {
    int threads = Workers.shared().threads();
    int wanted = threads == 1 ? 1 : (TASKS_PER_THREAD * threads + planes - 1) / planes;
    boolean splitsRows = panels < wanted;
    int strip = Math.toIntExact(Math.clamp(STRIP_BYTES / panelBytes, 1, panels));
    int perTask = splitsRows ? strip : Math.min(strip, (panels + wanted - 1) / wanted);
    int parts = splitsRows ? Math.min(threads, wanted) : 1;
    int rows = roundUp((shape.oc() + parts - 1) / parts);
    call.keep(PANELS_PER_TASK, perTask);
    call.keep(ROWS_PER_TASK, rows);
    int strips = (panels + perTask - 1) / perTask;
    Workers.shared().run(multiply, call, planes * strips * ((shape.oc() + rows - 1) / rows));
  }

  private static int roundUp(int rows) {
    return (rows + BytePanel.BLOCK - 1) / BytePanel.BLOCK * BytePanel.BLOCK;
  }

  /** Some rows of a strip of pixels. */
  private void multiply(Operands call, int chunk) {
    int perTask = (int) call.kept(PANELS_PER_TASK);
    int rowsPerTask = (int) call.kept(ROWS_PER_TASK);
    int strips = (panels + perTask - 1) / perTask;
    int parts = (shape.oc() + rowsPerTask - 1) / rowsPerTask;
    int index = chunk / (strips * parts);
    int first = chunk % strips * perTask * BytePanel.WIDTH;
    int count = Math.min(perTask * BytePanel.WIDTH, shape.outputPixels() - first);
    int firstRow = chunk / strips % parts * rowsPerTask;
    int endRow = Math.min(shape.oc(), firstRow + rowsPerTask);
    int most = WEIGHT_BYTES / packer.rowBytes() / BytePanel.BLOCK * BytePanel.BLOCK;
    int atOnce = Math.clamp(most, BytePanel.BLOCK, rowsPerTask);
    long stripBytes = perTask * panelBytes;
    MemoryPool.Block memory =
        HostMemory.shared().allocate(stripBytes + product.scratchBytes(atOnce));
    gather(call, index, first, count, memory.address());
    long number = call.kept(FIRST) + index;
    long group = number % shape.groups();
    long packed = call.kept(WEIGHTS) + group * packer.groupBytes();
    long pixels = shape.outputPixels();
    for (int row = firstRow; row < endRow; row += atOnce) {
      long rowsOf = call.kept(ROWS_OF_RESULT) + ByteResults.ROW * (group * shape.oc() + row);
      product.run(
          packed,
          row,
          Math.min(atOnce, endRow - row),
          memory.address(),
          count,
          rowsOf,
          limits(call),
          call.kept(OUTPUTS) + (number * shape.oc() + row) * pixels + first,
          pixels,
          memory.address() + stripBytes);
    }
    HostMemory.shared().free(memory);
  }

  /** The panels of a strip of pixels. */
  private void gather(Operands call, int index, int first, int count, long to) {
    long row = 4L * BytePanel.WIDTH;
    for (int done = 0; done < count; done += BytePanel.WIDTH) {
      int width = Math.min(BytePanel.WIDTH, count - done);
      if (isDirect()) {
        long image = image(call, index);
        int wholes = channels / ByteMoves.CHANNELS;
        int fromRow = ByteMoves.CHANNELS * shape.inputPixels();
        interleave(image, 0, first + done, to, fromRow, wholes, width, row);
        if (wholes < shape.c()) {
          interleave(image, wholes, first + done, to + wholes * row, 0, 1, width, row);
        }
      } else {
        long padded = call.kept(PADDED_IMAGES) + index * paddedBytes();
        plane.gatherPanel(padded, first + done, width, to, row);
      }
      to += panelBytes;
    }
  }

  /** Constant weights are packed once. */
  @Override
  public @Nullable Prepared prepared() {
    return packedBefore
        ? null
        : new Prepared(1, packer.bytes(), packer, new QuantizedConvKernel(this));
  }

  private QuantizedConvKernel(QuantizedConvKernel other) {
    this.conv = other.conv;
    this.dtype = other.dtype;
    this.packedBefore = true;
    this.shape = other.shape;
    this.channels = other.channels;
    this.plane = other.plane;
    this.packer = other.packer;
    this.product = other.product;
    this.panels = other.panels;
    this.panelBytes = other.panelBytes;
  }

  @Override
  public String name() {
    return "quantized_conv2d_" + product.name();
  }
}
