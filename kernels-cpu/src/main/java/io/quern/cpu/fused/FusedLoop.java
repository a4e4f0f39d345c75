package io.quern.cpu.fused;

import io.quern.runtime.Raw;

/** The inner loop of a fused chain. Thread-safe. */
public abstract class FusedLoop {
  FusedLoop() {}

  /**
   * Computes {@code n} consecutive elements.
   *
   * @param addresses address of a table of longs: where each input and, last, the output begins. An
   *     input that the loop was made for as uniform has one element, any other has {@code n}
   */
  public abstract void run(long addresses, long n);

  /**
   * Computes {@code n} consecutive elements of each of some rows.
   *
   * @param addresses address of the table for the first row, and behind it one of as many longs:
   *     the bytes from row to row of each operand. The table is overwritten
   * @param operands inputs and output
   */
  void rows(long addresses, int operands, long n, long rows) {
    for (long row = 0; row < rows; row++) {
      run(addresses, n);
      for (long at = addresses; at < addresses + 8L * operands; at += 8) {
        Raw.putLong(at, Raw.getLong(at) + Raw.getLong(at + 8L * operands));
      }
    }
  }

  /** As {@link #run}, for an output that is not read before it has left the caches. */
  void stream(long addresses, long n) {
    run(addresses, n);
  }
}
