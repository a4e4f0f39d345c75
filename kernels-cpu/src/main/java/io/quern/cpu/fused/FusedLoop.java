package io.quern.cpu.fused;

/** The inner loop of a fused chain. Thread-safe. */
abstract class FusedLoop {
  /**
   * Computes {@code n} consecutive elements.
   *
   * @param addresses address of a table of longs: where each input and, last, the output begins. An
   *     input that the loop was made for as uniform has one element, any other has {@code n}
   */
  abstract void run(long addresses, long n);

  /** The same, for an output that is not read before it has left the caches. */
  void stream(long addresses, long n) {
    run(addresses, n);
  }
}
