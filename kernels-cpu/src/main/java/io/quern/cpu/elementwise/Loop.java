package io.quern.cpu.elementwise;

/** The inner loop of an elementwise kernel over operands without gaps. Thread-safe. */
public interface Loop {
  /**
   * Elements that scalar loops compute in a method of its own. In a new process the JVM compiles a
   * method that is called a few hundred times long before one that is called once and loops.
   */
  int PART = 32;

  /** Computes {@code n} elements; addresses of operands that the op does not have are 0. */
  void run(long a, long b, long c, long out, long n);
}
