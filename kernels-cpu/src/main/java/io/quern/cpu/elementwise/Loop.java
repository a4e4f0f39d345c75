package io.quern.cpu.elementwise;

/** The inner loop of an elementwise kernel over operands without gaps. Thread-safe. */
public interface Loop {
  /** Computes {@code n} elements; addresses of operands that the op does not have are 0. */
  void run(long a, long b, long c, long out, long n);
}
