package io.quern.cpu.conv;

import io.quern.Shape;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.cpu.fused.RowChain;
import io.quern.op.Layout;
import io.quern.op.ScalarProgram;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import org.jspecify.annotations.Nullable;

/**
 * What is applied to the outputs of a convolution, channel by channel, while they are in the cache.
 *
 * @param firstExtra index of the chain's first further input among the operands
 * @param isRectifier whether it is a rectifier and nothing else
 */
record ConvChain(RowChain rows, int firstExtra, boolean isRectifier) {
  /**
   * The chain of an epilogue.
   *
   * @param operands inputs of the convolution, which those of the chain follow
   * @param output shape of the convolution's result
   * @return null when one of them does not fit
   */
  static @Nullable ConvChain of(KernelKey key, int operands, ScalarProgram program, Shape output) {
    Layout[] extras = new Layout[key.inputs() - operands];
    for (int i = 0; i < extras.length; i++) {
      extras[i] = key.layout(operands + i);
    }
    RowChain rows = RowChain.of(program, extras, output, 2);
    return rows == null ? null : new ConvChain(rows, operands, program.equals(ScalarProgram.RELU));
  }

  /**
   * Applies the chain to a range of pixels of some channels.
   *
   * @param row number of the first channel among those of all images
   * @param channel bytes from a channel to the next
   * @param at address of the range in the first channel
   */
  void apply(Operands call, long row, int channels, long channel, long first, long count, long at) {
    try (MemoryPool.Block table = HostMemory.shared().allocate(rows.tableBytes())) {
      apply(call, row, channels, channel, first, count, at, table.address());
    }
  }

  /** The same; {@code table} is the address of memory for the chain. */
  void apply(
      Operands call,
      long row,
      int channels,
      long channel,
      long first,
      long count,
      long at,
      long table) {
    if (rows.isAlone() && channel == 4 * count) {
      rows.apply(at, channels * count, table);
      return;
    }
    rows.apply(call, firstExtra, row, channels, first, count, at, channel, table);
  }
}
