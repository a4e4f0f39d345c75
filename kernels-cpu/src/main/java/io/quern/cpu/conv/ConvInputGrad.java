package io.quern.cpu.conv;

import static io.quern.cpu.gemm.MicroKernel.ROWS;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.cpu.gemm.MicroKernel;
import io.quern.op.Conv2dInputGrad;
import io.quern.op.Window;
import io.quern.runtime.HostMemory;
import io.quern.runtime.Raw;
import org.jspecify.annotations.Nullable;

/**
 * Conv2dInputGrad of contiguous floats: each input pixel gathers what it contributed to, so no two
 * threads write the same element. For dense windows this is a convolution with turned weights.
 */
public final class ConvInputGrad implements Kernel {
  private final ConvShape shape;
  private final PlaneProduct product;
  private final boolean turned;
  private final @Nullable WinogradProduct winograd;

  private ConvInputGrad(KernelKey key, Conv2dInputGrad grad) {
    this.shape =
        ConvShape.of(grad.window(), grad.groups(), grad.inputShape(), key.shape(0), key.shape(1));
    this.turned = shape.hasTransposed();
    WinogradTiles tiles = turned ? WinogradTiles.of(shape.transposed()) : null;
    this.winograd = tiles == null ? null : new WinogradProduct(tiles, true);
    this.product =
        new PlaneProduct(
            turned ? Plane.forward(shape.transposed()) : Plane.inputGrad(shape),
            shape.n(),
            shape.groups(),
            shape.c(),
            shape.outputBytes(),
            shape.imageBytes());
  }

  /** The kernel for {@code key}, or null when it is not contiguous F32 of moderate size. */
  public static @Nullable Kernel create(KernelKey key) {
    return key.all(DType.F32)
            && key.isContiguous()
            && key.op() instanceof Conv2dInputGrad grad
            && ConvShape.fits(
                grad.window(), grad.groups(), grad.inputShape(), key.shape(0), key.shape(1))
        ? new ConvInputGrad(key, grad)
        : null;
  }

  @Override
  public void run(Operands operands) {
    if (winograd != null) {
      winograd.run(operands, operands.address(1), operands.address(0), 0, operands.address(2));
      return;
    }
    HostMemory memory = HostMemory.shared();
    HostMemory.Block packed = memory.allocate(shape.groups() * product.packedBytes());
    try {
      for (int group = 0; group < shape.groups(); group++) {
        packWeights(
            operands.address(0) + group * shape.weightBytes(),
            packed.address() + group * product.packedBytes());
      }
      product.run(operands, operands.address(1), packed.address(), 0, operands.address(2));
    } finally {
      memory.free(packed);
    }
  }

  /** Packs weights [oc, c, kh, kw] as rows c of (oc, kh, kw), the window turned when dense. */
  private void packWeights(long from, long to) {
    Window window = shape.window();
    int taps = window.kernelH() * window.kernelW();
    int depth = shape.oc() * taps;
    Raw.zero(to, product.packedBytes());
    for (int oc = 0; oc < shape.oc(); oc++) {
      for (int c = 0; c < shape.c(); c++) {
        long panel = to + 4L * ROWS * (c / ROWS) * depth + 4L * (c % ROWS);
        long row = from + 4L * (oc * shape.c() + c) * taps;
        for (int tap = 0; tap < taps; tap++) {
          int source = turned ? taps - 1 - tap : tap;
          Raw.putFloat(panel + 4L * ROWS * (oc * taps + tap), Raw.getFloat(row + 4L * source));
        }
      }
    }
  }

  @Override
  public boolean warmUp() {
    return MicroKernel.chosen().warmUp();
  }

  @Override
  public String name() {
    return (winograd == null ? "conv2d_input_grad_" : "conv2d_input_grad_winograd_")
        + MicroKernel.chosen().name();
  }
}
