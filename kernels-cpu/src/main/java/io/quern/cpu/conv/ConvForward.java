package io.quern.cpu.conv;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.cpu.gemm.MicroKernel;
import io.quern.cpu.gemm.Packing;
import io.quern.op.Conv2d;
import io.quern.runtime.HostMemory;
import org.jspecify.annotations.Nullable;

/** Conv2d of contiguous float images as a matrix product that reads dense images in place. */
public final class ConvForward implements Kernel {
  private final ConvShape shape;
  private final PlaneProduct product;
  private final boolean hasBias;
  private final @Nullable WinogradProduct winograd;

  private ConvForward(KernelKey key, Conv2d conv) {
    this.shape =
        ConvShape.of(
            conv.window(), conv.groups(), key.shape(0), key.shape(1), key.output().shape());
    this.product =
        new PlaneProduct(
            Plane.forward(shape),
            shape.n(),
            shape.groups(),
            shape.oc(),
            shape.imageBytes(),
            shape.outputBytes());
    this.hasBias = key.inputs() == 3;
    WinogradTiles tiles = WinogradTiles.of(shape);
    this.winograd = tiles == null ? null : new WinogradProduct(tiles, false);
  }

  /** The kernel for {@code key}, or null when it is not contiguous F32 of moderate size. */
  public static @Nullable Kernel create(KernelKey key) {
    return key.all(DType.F32)
            && key.isContiguous()
            && key.op() instanceof Conv2d conv
            && ConvShape.fits(
                conv.window(), conv.groups(), key.shape(0), key.shape(1), key.output().shape())
        ? new ConvForward(key, conv)
        : null;
  }

  @Override
  public void run(Operands operands) {
    long bias = hasBias ? operands.address(2) : 0;
    long output = operands.address(hasBias ? 3 : 2);
    if (winograd != null) {
      winograd.run(operands, operands.address(0), operands.address(1), bias, output);
      return;
    }
    HostMemory memory = HostMemory.shared();
    HostMemory.Block packed = memory.allocate(shape.groups() * product.packedBytes());
    try {
      for (int group = 0; group < shape.groups(); group++) {
        Packing.packA(
            operands.address(1) + group * shape.weightBytes(),
            4L * shape.depth(),
            4,
            shape.oc(),
            shape.depth(),
            packed.address() + group * product.packedBytes());
      }
      product.run(operands, operands.address(0), packed.address(), bias, output);
    } finally {
      memory.free(packed);
    }
  }

  @Override
  public boolean warmUp() {
    return MicroKernel.chosen().warmUp();
  }

  @Override
  public String name() {
    return (winograd == null ? "conv2d_" : "conv2d_winograd_") + MicroKernel.chosen().name();
  }
}
