package io.quern.cpu.conv;

import io.quern.Shape;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.cpu.fused.RowChain;
import io.quern.op.Binary;
import io.quern.op.Layout;
import io.quern.op.ScalarProgram;
import io.quern.op.ScalarProgram.Apply1;
import io.quern.op.ScalarProgram.Apply2;
import io.quern.op.ScalarProgram.Step;
import io.quern.op.Unary;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What is applied to the outputs of a convolution, channel by channel, while they are in the cache.
 *
 * @param firstExtra index of the chain's first further input among the operands
 * @param finish what it is, if a micro-kernel does the same as it stores sums
 */
record ConvChain(RowChain rows, int firstExtra, @Nullable Finish finish) {
  /** What a micro-kernel does as it stores sums. */
  enum Finish {
    RECTIFY,
    /** Adds the first further input, which lies as the result does. */
    ADD,
    ADD_AND_RECTIFY
  }

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
    return rows == null ? null : new ConvChain(rows, operands, finish(program, extras, output));
  }

  private static @Nullable Finish finish(ScalarProgram program, Layout[] extras, Shape output) {
    if (program.equals(ScalarProgram.RELU)) {
      return Finish.RECTIFY;
    }
    boolean lieAlike =
        extras.length == 1 && extras[0].isContiguous() && extras[0].shape().equals(output);
    List<Step> steps = program.steps();
    if (!lieAlike || !isSum(steps.getFirst()) || steps.size() > 2) {
      return null;
    }
    if (steps.size() == 1) {
      return Finish.ADD;
    }
    return steps.getLast().equals(new Apply1(Unary.Fn.RELU, 2)) ? Finish.ADD_AND_RECTIFY : null;
  }

  private static boolean isSum(Step step) {
    return step instanceof Apply2(Binary.Fn fn, int x, int y)
        && fn == Binary.Fn.ADD
        && x + y == 1; // inputs 0 and 1, in any order
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
