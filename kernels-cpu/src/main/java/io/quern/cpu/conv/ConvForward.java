package io.quern.cpu.conv;

import io.quern.DType;
import io.quern.Shape;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.cpu.gemm.MicroKernel;
import io.quern.cpu.gemm.Packer;
import io.quern.op.Conv2d;
import io.quern.op.Epilogue;
import io.quern.op.Op;
import io.quern.op.PooledConv2d;
import io.quern.op.ScalarProgram;
import io.quern.op.TensorSpec;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Conv2d of contiguous float images, with a chain of elementwise functions on its result or not.
 */
public final class ConvForward implements Kernel {
  private final ConvProduct product;
  private final boolean hasBias;
  private final boolean hasChain;

  /** Whether the weights come packed. */
  private final boolean packed;

  private ConvForward(ConvProduct product, boolean hasBias, boolean hasChain, boolean packed) {
    this.product = product;
    this.hasBias = hasBias;
    this.hasChain = hasChain;
    this.packed = packed;
  }

  /** The kernel for {@code key}, or null when it is not contiguous F32 of moderate size. */
  public static @Nullable Kernel create(KernelKey key) {
    if (!(key.op() instanceof Conv2d conv) || !fits(key, conv, key.output().shape())) {
      return null;
    }
    ConvProduct product = ConvProduct.of(shape(key, conv, key.output().shape()), null);
    return new ConvForward(product, key.inputs() == 3, false, false);
  }

  /** The kernel for a convolution with an epilogue, or null when an operand does not fit. */
  public static @Nullable Kernel withEpilogue(KernelKey key) {
    if (!(key.op() instanceof Epilogue(Op product, int operands, ScalarProgram program))
        || !(product instanceof Conv2d conv)
        || !fits(key, conv, key.output().shape())) {
      return null;
    }
    ConvChain chain = ConvChain.of(key, operands, program, key.output().shape());
    if (chain == null) {
      return null;
    }
    return new ConvForward(
        ConvProduct.of(shape(key, conv, key.output().shape()), chain), operands == 3, true, false);
  }

  /** The kernel for a convolution and maxima of its result, or null when that is not better. */
  public static @Nullable Kernel pooled(KernelKey key) {
    if (!(key.op() instanceof PooledConv2d op)) {
      return null;
    }
    Conv2d conv = op.plain();
    List<TensorSpec> inputs =
        IntStream.range(0, key.inputs())
            .mapToObj(i -> new TensorSpec(key.dtype(i), key.shape(i)))
            .toList();
    Shape output = op.pooled(inputs).shape();
    if (!fits(key, conv, output)) {
      return null;
    }
    int operands = key.inputs();
    ConvChain chain = null;
    if (op.conv() instanceof Epilogue(Op _, int ofProduct, ScalarProgram program)) {
      operands = ofProduct;
      chain = ConvChain.of(key, operands, program, output);
      if (chain == null) {
        return null;
      }
    }
    ConvShape shape = shape(key, conv, output);
    Shape windows = key.output().shape();
    ConvProduct product =
        PooledProduct.of(shape, chain, op.pool().window(), windows.intDim(2), windows.intDim(3));
    return product == null ? null : new ConvForward(product, operands == 3, chain != null, false);
  }

  private static boolean fits(KernelKey key, Conv2d conv, Shape output) {
    return key.all(DType.F32)
        && key.isContiguous()
        && ConvShape.fitsPadded(conv.window(), conv.groups(), key.shape(0), key.shape(1), output);
  }

  private static ConvShape shape(KernelKey key, Conv2d conv, Shape output) {
    return ConvShape.of(conv.window(), conv.groups(), key.shape(0), key.shape(1), output);
  }

  @Override
  public void run(Operands operands) {
    if (packed) {
      run(operands, operands.address(1));
      return;
    }
    Packer packer = product.packer();
    MemoryPool.Block memory = HostMemory.shared().allocate(packer.bytes());
    try {
      packer.pack(operands, operands.address(1), memory.address());
      run(operands, memory.address());
    } finally {
      HostMemory.shared().free(memory);
    }
  }

  private void run(Operands operands, long weights) {
    long bias = hasBias ? operands.address(2) : 0;
    long output = operands.address(operands.count() - 1);
    product.run(operands, operands.address(0), weights, bias, output);
  }

  @Override
  public @Nullable Prepared prepared() {
    Packer packer = product.packer();
    return new Prepared(
        1, packer.bytes(), packer, new ConvForward(product, hasBias, hasChain, true));
  }

  @Override
  public boolean warmUp() {
    return MicroKernel.chosen().warmUp() && product.warmUp();
  }

  @Override
  public String name() {
    return "conv2d_" + product.name() + (hasChain ? "_epilogue" : "");
  }
}
