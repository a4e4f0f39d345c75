package io.quern.cpu.conv;

import io.quern.backend.Operands;
import io.quern.cpu.gemm.MicroKernel;
import io.quern.cpu.gemm.Packer;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import org.jspecify.annotations.Nullable;

/**
 * A way to compute a convolution from packed weights: the forward pass, and the gradient of images
 * where that is a convolution too. Immutable and thread-safe.
 */
abstract class ConvProduct {
  /** Rows of a panel that stay in the first-level cache with what they are multiplied by. */
  private static final int BLOCK_K = 128;

  private final @Nullable ConvChain chain;

  ConvProduct(@Nullable ConvChain chain) {
    this.chain = chain;
  }

  /** The fastest way for a shape. It depends on the image's size but not on the batch's. */
  static ConvProduct of(ConvShape shape, @Nullable ConvChain chain) {
    WinogradTiles tiles = WinogradTiles.of(shape);
    if (tiles != null) {
      return new WinogradProduct(tiles, false, chain);
    }
    return PixelProduct.isBetter(shape)
        ? new PixelProduct(shape, chain)
        : new PatchProduct(Patches.forward(shape), shape.n(), shape.groups(), shape.oc(), chain);
  }

  /** Elements of windows of {@code depth} that are multiplied at a time: about equal blocks. */
  static int block(int depth) {
    int blocks = Math.max(1, (depth + BLOCK_K - 1) / BLOCK_K);
    return Math.max(1, (depth + blocks - 1) / blocks);
  }

  /** Name of the algorithm and of the micro-kernel. */
  abstract String name();

  /** What packs the weights [groups * oc, c, kh, kw]. */
  abstract Packer packer();

  /**
   * Computes the outputs of all images.
   *
   * @param call keeps the addresses for the tasks
   * @param weights address of the packed weights
   * @param bias address of one float per channel, or 0
   */
  abstract void run(Operands call, long images, long weights, long bias, long outputs);

  /** Waits for what is compiled in the background. */
  boolean warmUp() {
    return chain == null || chain.rows().warmUp();
  }

  /** Whether the chain is a rectifier alone. */
  final boolean rectifies() {
    return chain != null && chain.finish() == ConvChain.Finish.RECTIFY;
  }

  /** Whether the chain is a rectifier, and a micro-kernel rectifies. */
  final boolean rectifiesBy(MicroKernel micro) {
    return rectifies() && micro.finishes();
  }

  /** Whether the chain is what a micro-kernel does as it stores sums as they lie in the result. */
  final boolean finishesBy(MicroKernel micro) {
    return chain != null && chain.finish() != null && micro.finishes();
  }

  /** Whether such a chain ends with a rectifier. */
  final boolean endsRectified() {
    return chain != null && chain.finish() != ConvChain.Finish.ADD;
  }

  /** Address of what such a chain adds to the result, or 0. */
  final long added(Operands call) {
    return chain == null || chain.finish() == ConvChain.Finish.RECTIFY
        ? 0
        : call.address(chain.firstExtra());
  }

  /**
   * Applies a chain that has no operands of its own to results that lie together somewhere, in one
   * call rather than one for each channel.
   *
   * @return whether there is nothing left to {@link #finish}
   */
  final boolean finishAside(long at, long n) {
    if (chain != null && chain.rows().isAlone()) {
      MemoryPool.Block table = HostMemory.shared().allocate(chain.rows().tableBytes());
      chain.rows().apply(at, n, table.address());
      HostMemory.shared().free(table);
      return true;
    }
    return chain == null;
  }

  /**
   * Applies the chain, if any, to a range of pixels of some channels.
   *
   * @param row number of the first channel among those of all images
   * @param channel bytes from a channel to the next
   * @param at address of the range in the first channel
   */
  final void finish(
      Operands call, long row, int channels, long channel, long first, long count, long at) {
    if (chain != null) {
      chain.apply(call, row, channels, channel, first, count, at);
    }
  }
}
