package io.quern.cpu.asm;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * A function of the System V convention, of machine code that was placed or of the system. All take
 * up to 12 longs, 6 of them in registers, and give one or nothing: the first call of each type
 * would cost ten milliseconds. Floats are their bits. The JVM cannot stop a thread during a call,
 * which should take microseconds. Immutable and thread-safe.
 */
public final class MachineFunction {
  private static final MethodHandle CALL = Downcall.link();

  private final MemorySegment address;

  MachineFunction(MemorySegment address) {
    this.address = address;
  }

  /** Calls it. */
  public long call(long a) {
    return call(a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  }

  /** Calls it. */
  public long call(long a, long b) {
    return call(a, b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  }

  /** Calls it. */
  public long call(long a, long b, long c) {
    return call(a, b, c, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  }

  /** Calls it. */
  public long call(long a, long b, long c, long d) {
    return call(a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0);
  }

  /** Calls it. */
  public long call(long a, long b, long c, long d, long e) {
    return call(a, b, c, d, e, 0, 0, 0, 0, 0, 0, 0);
  }

  /** Calls it. */
  public long call(long a, long b, long c, long d, long e, long f) {
    return call(a, b, c, d, e, f, 0, 0, 0, 0, 0, 0);
  }

  /** Calls it. */
  public long call(long a, long b, long c, long d, long e, long f, long g, long h) {
    return call(a, b, c, d, e, f, g, h, 0, 0, 0, 0);
  }

  /** Calls it. */
  public long call(long a, long b, long c, long d, long e, long f, long g, long h, long i) {
    return call(a, b, c, d, e, f, g, h, i, 0, 0, 0);
  }

  /** Calls it. */
  public long call(long a, long b, long c, long d, long e, long f, long g, long h, long i, long j) {
    return call(a, b, c, d, e, f, g, h, i, j, 0, 0);
  }

  /** Calls it. */
  public long call(
      long a, long b, long c, long d, long e, long f, long g, long h, long i, long j, long k) {
    return call(a, b, c, d, e, f, g, h, i, j, k, 0);
  }

  /** Calls it. */
  public long call(
      long a,
      long b,
      long c,
      long d,
      long e,
      long f,
      long g,
      long h,
      long i,
      long j,
      long k,
      long l) {
    try {
      return (long) CALL.invokeExact(address, a, b, c, d, e, f, g, h, i, j, k, l);
    } catch (Throwable t) {
      throw new AssertionError(t);
    }
  }

  /** Where the code is, as profilers tell it. */
  @Override
  public String toString() {
    return "0x" + Long.toHexString(address.address());
  }
}
