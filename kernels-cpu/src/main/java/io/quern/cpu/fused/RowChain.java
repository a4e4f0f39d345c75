package io.quern.cpu.fused;

import io.quern.Shape;
import io.quern.backend.Operands;
import io.quern.cpu.Twins;
import io.quern.op.Layout;
import io.quern.op.ScalarProgram;
import io.quern.runtime.Raw;
import org.jspecify.annotations.Nullable;

/**
 * A chain of elementwise functions that a product applies to parts of its result's rows while they
 * are in the cache. Input 0 of the program is the result itself, which is overwritten. Immutable
 * and thread-safe.
 */
public final class RowChain {
  private final Twins<FusedLoop> loop;
  private final int extras;
  private final long[] rowDims;
  private final long[][] rowStrides;
  private final boolean[] uniform;

  /** Bytes from row to row of each extra input, in the last dimension of rows at least. */
  private final long[] rowSteps;

  /** Whether it is the same from each row to the next. */
  private final boolean isEven;

  private RowChain(ScalarProgram program, Layout[] extras, Shape output, int trailing) {
    int leading = output.rank() - trailing;
    this.extras = extras.length;
    this.rowDims = output.slice(0, leading).toArray();
    this.rowStrides = new long[extras.length][leading];
    this.uniform = new boolean[extras.length + 1];
    for (int i = 0; i < extras.length; i++) {
      for (int d = 0; d < leading; d++) {
        rowStrides[i][d] = 4 * extras[i].stride(d);
      }
      uniform[i + 1] = isUniform(extras[i], leading);
    }
    this.rowSteps = new long[extras.length];
    boolean even = true;
    for (int i = 0; i < extras.length; i++) {
      rowSteps[i] = leading == 0 ? 0 : rowStrides[i][leading - 1];
      for (int d = 0; d < leading - 1; d++) {
        even &= rowStrides[i][d] == rowStrides[i][d + 1] * rowDims[d + 1];
      }
    }
    this.isEven = even;
    this.loop = FusedLoops.of(program, uniform);
  }

  /**
   * The chain for a result of shape {@code output} whose rows are the last {@code trailing}
   * dimensions, or null when an extra input neither runs along a row nor stays the same in it.
   */
  public static @Nullable RowChain of(
      ScalarProgram program, Layout[] extras, Shape output, int trailing) {
    Layout[] expanded = new Layout[extras.length];
    for (int i = 0; i < extras.length; i++) {
      expanded[i] = extras[i].expand(output);
      int leading = output.rank() - trailing;
      if (!isUniform(expanded[i], leading) && !isConsecutive(expanded[i], leading)) {
        return null;
      }
    }
    return new RowChain(program, expanded, output, trailing);
  }

  private static boolean isUniform(Layout layout, int from) {
    for (int d = from; d < layout.rank(); d++) {
      if (layout.stride(d) != 0 && layout.shape().dim(d) > 1) {
        return false;
      }
    }
    return true;
  }

  private static boolean isConsecutive(Layout layout, int from) {
    long expected = 1;
    for (int d = layout.rank() - 1; d >= from; d--) {
      if (layout.shape().dim(d) > 1 && layout.stride(d) != expected) {
        return false;
      }
      expected *= layout.shape().dim(d);
    }
    return true;
  }

  /** Bytes of the table that {@link #apply} needs. */
  public long tableBytes() {
    return 2 * 8L * operands();
  }

  /** Inputs of the program and its output. */
  private int operands() {
    return extras + 2;
  }

  /** Waits for the fast loop. */
  public boolean warmUp() {
    return loop.await();
  }

  /** Whether the chain has no operands but the result. */
  public boolean isAlone() {
    return extras == 0;
  }

  /** Applies a chain that is alone to any {@code n} elements of the result, in place. */
  public void apply(long at, long n, long table) {
    Raw.putLong(table, at);
    Raw.putLong(table + 8, at);
    loop.get().run(table, n);
  }

  /**
   * Applies the chain to {@code n} elements of each of some rows one after another.
   *
   * @param operands of the call, in which the extra inputs begin at {@code firstExtra}
   * @param row number of the first row among all of the result
   * @param column of the first element in its row
   * @param at address of that element, {@code atRow} bytes from row to row
   * @param table address of {@link #tableBytes} bytes to write to
   */
  public void apply(
      Operands operands,
      int firstExtra,
      long row,
      long rows,
      long column,
      long n,
      long at,
      long atRow,
      long table) {
    long last = rowDims.length == 0 ? 1 : rowDims[rowDims.length - 1];
    long each = isEven || row % last + rows <= last ? rows : 1;
    for (long i = 0; i < rows; i += each) {
      long steps = table + 8L * operands();
      put(table, steps, 0, at + i * atRow, atRow);
      for (int extra = 0; extra < extras; extra++) {
        long address = operands.address(firstExtra + extra) + offset(rowStrides[extra], row + i);
        long first = uniform[extra + 1] ? address : address + 4 * column;
        put(table, steps, extra + 1, first, rowSteps[extra]);
      }
      put(table, steps, extras + 1, at + i * atRow, atRow);
      loop.get().rows(table, operands(), n, each);
    }
  }

  private static void put(long table, long steps, int operand, long address, long step) {
    Raw.putLong(table + 8L * operand, address);
    Raw.putLong(steps + 8L * operand, step);
  }

  private long offset(long[] strides, long row) {
    long offset = 0;
    long rest = row;
    for (int d = strides.length - 1; d >= 0; d--) {
      long next = rest / rowDims[d];
      offset += (rest - next * rowDims[d]) * strides[d];
      rest = next;
    }
    return offset;
  }
}
