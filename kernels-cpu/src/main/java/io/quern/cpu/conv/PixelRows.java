package io.quern.cpu.conv;

import io.quern.backend.Operands;
import io.quern.cpu.gemm.ColumnPanels;
import io.quern.cpu.gemm.Packer;
import io.quern.cpu.gemm.PanelPacker;
import io.quern.cpu.gemm.Transpose;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;
import org.jspecify.annotations.Nullable;

/**
 * Products of pixels and weights: output pixels are the rows of the micro-kernel, which reads them
 * in a {@link PaddedImage}, whatever stride and dilation; output channels are its columns. Tiles
 * are transposed on their way to the output.
 */
abstract class PixelRows extends ConvProduct {
  /** Padded images that exist at one time. */
  private static final long PADDED_BYTES = 1 << 23;

  // What a call keeps for its tasks, which keep more from FREE on.
  private static final int IMAGES = 0;
  private static final int WEIGHTS = 1;
  private static final int BIAS = 2;
  private static final int OUTPUTS = 3;
  private static final int PADDED_IMAGES = 4;
  private static final int FIRST = 5;
  private static final int COPIES_ALONE = 6;
  static final int FREE = 7;

  final Transpose transpose = Transpose.chosen();
  final ConvShape shape;

  /** Output channels, which are columns, and how many panels they are. */
  final ColumnPanels columns;

  final int panels;
  final PaddedImage padded;

  /** Elements of a window that are multiplied at a time. */
  final int block;

  private final PanelPacker panelPacker;
  private final Packer packer;
  private final Workers.Task<Operands> pad = this::pad;

  PixelRows(ConvShape shape, ColumnPanels columns, @Nullable ConvChain chain) {
    super(chain);
    this.shape = shape;
    int depth = shape.depth();
    this.block = block(depth);
    this.columns = columns;
    this.panels = columns.count();
    this.panelPacker =
        new PanelPacker(
            columns, shape.groups(), shape.weightBytes(), shape.oc(), depth, 4, 4L * depth, block);
    boolean isTurned = PixelImage.suits(shape);
    this.padded = isTurned && !shape.isPointwise() ? new PixelImage(shape) : Plane.padded(shape);
    this.packer = isTurned ? TapPacker.of(panelPacker, shape) : panelPacker;
  }

  @Override
  final Packer packer() {
    return packer;
  }

  @Override
  final void run(Operands call, long images, long weights, long bias, long outputs) {
    int planes = shape.n() * shape.groups();
    if (planes == 0) {
      return;
    }
    call.keep(IMAGES, images);
    call.keep(WEIGHTS, weights);
    call.keep(BIAS, bias);
    call.keep(OUTPUTS, outputs);
    boolean isAlone = padded.isCopy() && canCopyAlone(planes);
    call.keep(COPIES_ALONE, isAlone ? 1 : 0);
    if (!padded.isCopy() || isAlone) {
      call.keep(FIRST, 0);
      share(call, planes);
      return;
    }
    int most = Math.toIntExact(Math.clamp(PADDED_BYTES / padded.bytes(), 1, planes));
    MemoryPool.Block copies = HostMemory.shared().allocate(most * padded.bytes());
    try {
      call.keep(PADDED_IMAGES, copies.address());
      for (int first = 0; first < planes; first += most) {
        int count = Math.min(most, planes - first);
        call.keep(FIRST, first);
        Workers.shared().run(pad, call, count * padBands());
        share(call, count);
      }
    } finally {
      HostMemory.shared().free(copies);
    }
  }

  /** Bands of rows, of which each thread has as many: mostly those that it will read. */
  private int padBands() {
    int threads = Workers.shared().threads();
    return Math.clamp(threads == 1 ? 1 : 2L * threads, 1, Math.max(1, padded.copiedRows()));
  }

  private void pad(Operands call, int chunk) {
    int bands = padBands();
    long index = chunk / bands;
    long band = chunk % bands;
    long rows = padded.copiedRows();
    padded.copyRows(
        call.kept(IMAGES) + (call.kept(FIRST) + index) * shape.imageBytes(),
        (int) (rows * band / bands),
        (int) (rows * (band + 1) / bands),
        call.kept(PADDED_IMAGES) + index * padded.bytes());
  }

  /** Whether tasks can copy what they read themselves, rather than all threads together before. */
  boolean canCopyAlone(int planes) {
    return false;
  }

  /** Whether tasks do so in this call. */
  static boolean copiesAlone(Operands call) {
    return call.kept(COPIES_ALONE) == 1;
  }

  /** Computes the outputs of some planes, each one group of one image, on all threads. */
  abstract void share(Operands call, int planes);

  /** Number among all planes of one that {@link #share} was given. */
  static long plane(Operands call, int index) {
    return call.kept(FIRST) + index;
  }

  /** Address of the plane that {@link #share} was given, or of the copy that all threads made. */
  final long image(Operands call, int index) {
    return padded.isCopy()
        ? call.kept(PADDED_IMAGES) + index * padded.bytes()
        : original(call, index);
  }

  /** Address of the plane itself. */
  final long original(Operands call, int index) {
    return call.kept(IMAGES) + plane(call, index) * shape.imageBytes();
  }

  /** Address of the panels of weights for a plane. */
  final long weights(Operands call, long plane) {
    return call.kept(WEIGHTS) + plane % shape.groups() * panelPacker.matrixBytes();
  }

  /** Bytes from there to the rows {@code t} and further of a panel. */
  final long panelOffset(int t, int panel) {
    return panelPacker.panelOffset(t, panel);
  }

  /** Tasks that share the panels, so many each. */
  final int groups(int perTask) {
    return (panels + perTask - 1) / perTask;
  }

  /** Output channels that a panel has. */
  final int channels(int panel) {
    return Math.min(columns.columns(panel), shape.oc() - columns.first(panel));
  }

  /** The row that sums of a panel begin with. */
  final void bias(Operands call, long plane, int panel, long to) {
    Raw.zero(to, 4L * columns.columns(panel));
    if (call.kept(BIAS) != 0) {
      long oc = plane % shape.groups() * shape.oc() + columns.first(panel);
      Raw.copy(call.kept(BIAS) + 4 * oc, to, 4L * channels(panel));
    }
  }

  /** Address of the first output channel of a panel, each of which has so many bytes. */
  final long output(Operands call, long plane, int panel, long channel) {
    return call.kept(OUTPUTS) + (plane * shape.oc() + columns.first(panel)) * channel;
  }

  /** Fills a table with where the windows of {@code count} pixels from one on begin. */
  final void addresses(long image, int first, int count, long to) {
    int last = shape.outputPixels() - 1;
    long pixel = padded.offset(0, 1) - padded.offset(0, 0);
    for (int i = 0; i < count; ) {
      int at = Math.min(first + i, last);
      int y = at / shape.ow();
      int x = at - y * shape.ow();
      int ofRow = at == last ? count - i : Math.min(shape.ow() - x, last - at);
      long address = image + padded.offset(y, x);
      long step = at == last ? 0 : pixel;
      for (int end = Math.min(count, i + ofRow); i < end; i++) {
        Raw.putLong(to + 8L * i, address);
        address += step;
      }
    }
  }
}
