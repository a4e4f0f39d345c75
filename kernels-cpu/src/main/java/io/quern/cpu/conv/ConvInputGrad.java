package io.quern.cpu.conv;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.cpu.gemm.MicroKernel;
import io.quern.cpu.gemm.Packer;
import io.quern.op.Conv2dInputGrad;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Raw;
import org.jspecify.annotations.Nullable;

/**
 * Conv2dInputGrad of contiguous floats: each input pixel gathers what it contributed to, so no two
 * threads write the same element. For dense windows this is a convolution with turned weights.
 */
public final class ConvInputGrad implements Kernel {
  private final ConvShape shape;
  private final ConvProduct product;
  private final boolean turned;
  private final boolean packsTurned;

  private ConvInputGrad(KernelKey key, Conv2dInputGrad grad) {
    this.shape =
        ConvShape.of(grad.window(), grad.groups(), grad.inputShape(), key.shape(0), key.shape(1));
    this.turned = shape.hasTransposed();
    WinogradTiles tiles = turned ? WinogradTiles.of(shape.transposed()) : null;
    this.packsTurned = tiles != null;
    if (tiles != null) {
      this.product = new WinogradProduct(tiles, true, null);
    } else if (turned) {
      this.product = ConvProduct.of(shape.transposed(), null);
    } else {
      Patches patches = Patches.inputGrad(shape);
      this.product = new PatchProduct(patches, shape.n(), shape.groups(), shape.c(), null);
    }
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
    long weights = operands.address(0);
    long turnedBytes = packsTurned ? 0 : shape.groups() * shape.weightBytes();
    Packer packer = product.packer();
    HostMemory memory = HostMemory.shared();
    MemoryPool.Block packed = memory.allocate(packer.bytes() + turnedBytes);
    try {
      if (!packsTurned) {
        long to = packed.address() + packer.bytes();
        for (int group = 0; group < shape.groups(); group++) {
          turn(weights + group * shape.weightBytes(), to + group * shape.weightBytes());
        }
        weights = to;
      }
      packer.pack(operands, weights, packed.address());
      product.run(operands, operands.address(1), packed.address(), 0, operands.address(2));
    } finally {
      memory.free(packed);
    }
  }

  /** Copies weights [oc, c, kh, kw] to [c, oc, kh, kw], the window turned around when dense. */
  private void turn(long from, long to) {
    int taps = shape.window().kernelH() * shape.window().kernelW();
    for (int oc = 0; oc < shape.oc(); oc++) {
      for (int c = 0; c < shape.c(); c++) {
        long source = from + 4L * (oc * shape.c() + c) * taps;
        long target = to + 4L * (c * shape.oc() + oc) * taps;
        for (int tap = 0; tap < taps; tap++) {
          Raw.putFloat(
              target + 4L * tap, Raw.getFloat(source + 4L * (turned ? taps - 1 - tap : tap)));
        }
      }
    }
  }

  @Override
  public boolean warmUp() {
    return MicroKernel.chosen().warmUp() && product.warmUp();
  }

  @Override
  public String name() {
    return "conv2d_input_grad_" + product.name();
  }
}
