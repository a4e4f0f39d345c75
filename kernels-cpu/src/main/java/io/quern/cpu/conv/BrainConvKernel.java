package io.quern.cpu.conv;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.cpu.gemm.BrainPanel;
import io.quern.cpu.gemm.BrainRowPacker;
import io.quern.cpu.gemm.PairMoves;
import io.quern.op.Conv2d;
import io.quern.op.Conv2dInputGrad;
import io.quern.op.Epilogue;
import io.quern.op.Op;
import io.quern.op.ScalarProgram;
import io.quern.op.Window;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;
import org.jspecify.annotations.Nullable;

/**
 * Conv2d of BF16, and the gradient of a dense one's images, by products of {@link BrainPanel}:
 * output channels are the rows, and pixels the columns of panels, in which pairs of channels are
 * one element. Strips of pixels are gathered in panels from a padded image of such elements.
 * Immutable and thread-safe.
 */
public final class BrainConvKernel implements Kernel {
  /** Bytes of a strip's panels, which stay in the second-level cache. */
  private static final int STRIP_BYTES = 1 << 18;

  /** Bytes of weights that meet one panel after another. */
  private static final int WEIGHT_BYTES = 1 << 17;

  /** Output channels of a group below which floats are faster. */
  private static final int LEAST_ROWS = 8;

  private static final int TASKS_PER_THREAD = 4;
  private static final int BYTES = 2;
  private static final int PAIR = 2 * BYTES;

  /** Bytes of the floats that a row of a panel's sums begins with. */
  private static final int START_ROW = 4 * BrainPanel.WIDTH;

  // What a call keeps for its tasks; the first two are the packer's.
  private static final int WEIGHTS = 2;
  private static final int STARTS = 3;
  private static final int PADDED = 4;
  private static final int IMAGE = 5;
  private static final int PANELS_PER_TASK = 6;

  private final Roles roles;

  /** With pairs as channels. */
  private final ConvShape shape;

  private final int channels;
  private final Plane plane;
  private final BrainRowPacker packer;
  private final BrainPanel product;
  private final boolean packedBefore;
  private final int panels;
  private final Workers.Task<Operands> convolve = this::convolve;
  private final Workers.Task<Operands> pad = this::pad;
  private final Workers.Task<Operands> multiply = this::multiply;

  /**
   * Which operand is which.
   *
   * @param bias -1 if there is none
   */
  private record Roles(int image, int weight, int bias) {}

  private BrainConvKernel(Roles roles, ConvShape shape, boolean isGradient, boolean hasRelu) {
    this.roles = roles;
    this.packedBefore = false;
    this.channels = shape.c();
    this.shape = shape.withChannels((channels + 1) / 2);
    this.plane = Plane.padded(this.shape);
    Window window = shape.window();
    this.packer =
        new BrainRowPacker(
            shape.groups(), shape.oc(), channels, window.kernelH() * window.kernelW(), isGradient);
    this.product =
        new BrainPanel(
            packer.depth(),
            hasRelu ? BrainPanel.Result.BRAIN_FLOATS_RELU : BrainPanel.Result.BRAIN_FLOATS);
    this.panels = (shape.outputPixels() + BrainPanel.WIDTH - 1) / BrainPanel.WIDTH;
  }

  private BrainConvKernel(BrainConvKernel other) {
    this.roles = other.roles;
    this.packedBefore = true;
    this.channels = other.channels;
    this.shape = other.shape;
    this.plane = other.plane;
    this.packer = other.packer;
    this.product = other.product;
    this.panels = other.panels;
  }

  /** The kernel of a Conv2d, or null when an operand does not fit. */
  public static @Nullable Kernel create(KernelKey key) {
    return key.op() instanceof Conv2d conv ? forward(key, conv, false) : null;
  }

  /** The kernel of one whose negative results become zero, or null when an operand does not fit. */
  public static @Nullable Kernel withEpilogue(KernelKey key) {
    return key.op() instanceof Epilogue(Op product, int operands, ScalarProgram program)
            && product instanceof Conv2d conv
            && operands == key.inputs()
            && program.equals(ScalarProgram.RELU)
        ? forward(key, conv, true)
        : null;
  }

  private static @Nullable Kernel forward(KernelKey key, Conv2d conv, boolean hasRelu) {
    Window window = conv.window();
    if (!fits(key)
        || !ConvShape.fitsPadded(
            window, conv.groups(), key.shape(0), key.shape(1), key.output().shape())) {
      return null;
    }
    ConvShape shape =
        ConvShape.of(window, conv.groups(), key.shape(0), key.shape(1), key.output().shape());
    Roles roles = new Roles(0, 1, key.inputs() == 3 ? 2 : -1);
    return fits(shape) ? new BrainConvKernel(roles, shape, false, hasRelu) : null;
  }

  /** The kernel of the gradient of a Conv2d's images, or null when an operand does not fit. */
  public static @Nullable Kernel inputGrad(KernelKey key) {
    if (!fits(key)
        || !(key.op() instanceof Conv2dInputGrad grad)
        || !ConvShape.fits(
            grad.window(), grad.groups(), grad.inputShape(), key.shape(0), key.shape(1))) {
      return null;
    }
    ConvShape shape =
        ConvShape.of(grad.window(), grad.groups(), grad.inputShape(), key.shape(0), key.shape(1));
    return shape.hasTransposed() && fits(shape.transposed())
        ? new BrainConvKernel(new Roles(1, 0, -1), shape.transposed(), true, false)
        : null;
  }

  private static boolean fits(KernelKey key) {
    return key.all(DType.BF16)
        && key.isContiguous()
        && key.output().shape().size() > 0
        && BrainPanel.isAvailable();
  }

  private static boolean fits(ConvShape shape) {
    return shape.window().strideW() <= 2 && shape.c() > 0 && shape.oc() >= LEAST_ROWS;
  }

  @Override
  public void run(Operands call) {
    long packedBytes = packedBefore ? 0 : packer.bytes();
    long startBytes = roles.bias < 0 ? 0 : (long) START_ROW * shape.groups() * shape.oc();
    MemoryPool.Block memory =
        HostMemory.shared().allocate(packedBytes + startBytes + paddedBytes());
    try {
      long starts = memory.address() + packedBytes;
      if (!packedBefore) {
        packer.pack(call, call.address(roles.weight), memory.address());
      }
      call.keep(WEIGHTS, packedBefore ? call.address(roles.weight) : memory.address());
      call.keep(STARTS, starts);
      if (roles.bias >= 0) {
        spreadBias(call.address(roles.bias), starts);
      }
      int planes = shape.n() * shape.groups();
      int threads = Workers.shared().threads();
      if (threads == 1 || planes >= 2 * threads) {
        Workers.shared().run(convolve, call, planes);
      } else {
        call.keep(PADDED, starts + startBytes);
        share(call, planes);
      }
    } finally {
      HostMemory.shared().free(memory);
    }
  }

  /** Few images, whose strips are shared among threads. */
  private void share(Operands call, int planes) {
    int wanted = TASKS_PER_THREAD * Workers.shared().threads();
    int perTask = Math.clamp(panels / wanted, 1, strip());
    call.keep(PANELS_PER_TASK, perTask);
    for (int image = 0; image < planes; image++) {
      call.keep(IMAGE, image);
      Workers.shared().run(pad, call, shape.c());
      Workers.shared().run(multiply, call, (panels + perTask - 1) / perTask);
    }
  }

  /** Repeats each bias for all columns of a panel. */
  private void spreadBias(long from, long to) {
    for (long row = 0; row < (long) shape.groups() * shape.oc(); row++) {
      int bits = Raw.getShort(from + BYTES * row) << 16;
      for (long at = to + START_ROW * row; at < to + START_ROW * (row + 1); at += 4) {
        Raw.putInt(at, bits);
      }
    }
  }

  private int strip() {
    return Math.clamp(STRIP_BYTES / product.panelBytes(), 1, panels);
  }

  private int paddedHeight() {
    return shape.h() + shape.window().padTop() + shape.window().padBottom();
  }

  private long paddedBytes() {
    return shape.isPointwise() ? 0 : (long) PAIR * shape.c() * paddedHeight() * plane.pitch();
  }

  private long image(Operands call, int image) {
    return call.address(roles.image) + (long) BYTES * image * channels * shape.inputPixels();
  }

  private void pad(Operands call, int pair) {
    pad(image(call, (int) call.kept(IMAGE)), pair, call.kept(PADDED));
  }

  /** One pair of channels of a padded image. */
  private void pad(long image, int pair, long to) {
    if (shape.isPointwise()) {
      return;
    }
    Window window = shape.window();
    long row = (long) PAIR * plane.pitch();
    long bytes = row * paddedHeight();
    long at = to + pair * bytes;
    long first = image + 2L * BYTES * pair * shape.inputPixels();
    long second = 2 * pair + 1 < channels ? first + (long) BYTES * shape.inputPixels() : 0;
    long inside = at + window.padTop() * row + (long) PAIR * window.padLeft();
    if (paddedHeight() != shape.h() || plane.pitch() != shape.w()) {
      Raw.zero(at, bytes);
    }
    long fromRow = (long) BYTES * shape.w();
    PairMoves.interleave(first, second, fromRow, inside, row, shape.h(), shape.w());
  }

  /** One image by one thread. */
  private void convolve(Operands call, int image) {
    MemoryPool.Block padded = HostMemory.shared().allocate(Math.max(1, paddedBytes()));
    for (int pair = 0; pair < shape.c(); pair++) {
      pad(image(call, image), pair, padded.address());
    }
    multiply(call, image, padded.address(), 0, panels);
    HostMemory.shared().free(padded);
  }

  private void multiply(Operands call, int task) {
    int perTask = (int) call.kept(PANELS_PER_TASK);
    int first = task * perTask;
    int end = Math.min(panels, first + perTask);
    multiply(call, (int) call.kept(IMAGE), call.kept(PADDED), first, end);
  }

  /** Some panels of an image, strip by strip. */
  private void multiply(Operands call, int image, long padded, int firstPanel, int endPanel) {
    int strip = strip();
    int most = (int) (WEIGHT_BYTES / packer.rowBytes()) / BrainPanel.BLOCK * BrainPanel.BLOCK;
    int atOnce = Math.clamp(most, BrainPanel.BLOCK, Math.max(BrainPanel.BLOCK, shape.oc()));
    long stripBytes = strip * product.panelBytes();
    MemoryPool.Block memory =
        HostMemory.shared().allocate(stripBytes + product.scratchBytes(atOnce));
    if (shape.depth() < packer.depth() / 2) {
      Raw.zero(memory.address(), stripBytes); // rows that are never gathered
    }
    for (int panel = firstPanel; panel < endPanel; panel += strip) {
      int first = panel * BrainPanel.WIDTH;
      int end =
          Math.min(shape.outputPixels(), Math.min(endPanel, panel + strip) * BrainPanel.WIDTH);
      gather(image(call, image), padded, first, end - first, memory.address());
      for (int row = 0; row < shape.oc(); row += atOnce) {
        int count = Math.min(atOnce, shape.oc() - row);
        multiply(call, image, row, count, first, end - first, memory.address(), stripBytes);
      }
    }
    HostMemory.shared().free(memory);
  }

  private void multiply(
      Operands call, int image, int row, int rows, int first, int count, long strip, long bytes) {
    int group = image % shape.groups();
    long channel = (long) group * shape.oc() + row;
    long pixels = shape.outputPixels();
    long to = call.address(call.count() - 1);
    boolean hasBias = roles.bias >= 0;
    product.run(
        call.kept(WEIGHTS) + channel * packer.rowBytes(),
        packer.rowBytes(),
        strip,
        count,
        hasBias ? call.kept(STARTS) + START_ROW * channel : BrainPanel.ZEROS,
        hasBias ? START_ROW : 0,
        0,
        to + BYTES * (((long) image * shape.oc() + row) * pixels + first),
        BYTES * pixels,
        rows,
        strip + bytes);
  }

  /** The panels of some pixels. */
  private void gather(long image, long padded, int first, int count, long to) {
    for (int done = 0; done < count; done += BrainPanel.WIDTH) {
      int width = Math.min(BrainPanel.WIDTH, count - done);
      if (shape.isPointwise()) {
        gatherPixels(image + (long) BYTES * (first + done), width, to);
      } else {
        plane.gatherPanel(padded, first + done, width, to, (long) PAIR * BrainPanel.WIDTH);
      }
      to += product.panelBytes();
    }
  }

  /** A panel of the image itself. */
  private void gatherPixels(long from, int count, long to) {
    long channel = (long) BYTES * shape.inputPixels();
    long toRow = (long) PAIR * BrainPanel.WIDTH;
    int whole = channels / 2;
    if (whole > 0) {
      PairMoves.interleave(from, from + channel, 2 * channel, to, toRow, whole, count);
    }
    if (whole < shape.c()) {
      long last = from + 2L * whole * channel;
      PairMoves.interleave(last, 0, channel, to + whole * toRow, toRow, 1, count);
    }
  }

  /** Constant weights are packed once. */
  @Override
  public @Nullable Prepared prepared() {
    return packedBefore
        ? null
        : new Prepared(roles.weight, packer.bytes(), packer, new BrainConvKernel(this));
  }

  @Override
  public String name() {
    return "conv2d_" + product.name();
  }
}
