package io.quern.runtime;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * All of the process' memory as one segment whose offsets are addresses. Nothing here checks
 * bounds: dispatch has proven them before a kernel runs.
 */
public final class Raw {
  /** The segment; a constant, so that the compiler folds its bounds. */
  public static final MemorySegment ALL = all();

  /** Byte order of all tensors. */
  public static final ByteOrder ORDER = ByteOrder.nativeOrder();

  /** A float at any address. */
  public static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;

  private static final int BLOCK = 1 << 12;
  private static final MemorySegment ZEROS = MemorySegment.ofArray(new byte[BLOCK]);
  private static final ValueLayout.OfDouble DOUBLE = ValueLayout.JAVA_DOUBLE_UNALIGNED;
  private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED;
  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED;
  private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED;

  private Raw() {}

  @SuppressWarnings("restricted")
  private static MemorySegment all() {
    try {
      return MemorySegment.NULL.reinterpret(Long.MAX_VALUE);
    } catch (IllegalCallerException e) {
      Module module = Raw.class.getModule();
      String name = module.isNamed() ? module.getName() : "ALL-UNNAMED";
      throw new LinkageError(
          "quern: tensors need native memory, which this JVM denies; start java with"
              + " --enable-native-access="
              + name
              + ", or without --illegal-native-access=deny",
          e);
    }
  }

  /** Addresses of processes have fewer bits than these. */
  private static final long ADDRESS_BITS = 0x7fff_ffff_ffffL;

  /**
   * The same address, of which the compiler then knows the range. It leaves out the check that an
   * access lies within {@link #ALL}, at such an address plus small offsets of known range.
   */
  public static long inRange(long address) {
    return address & ADDRESS_BITS;
  }

  public static float getFloat(long address) {
    return ALL.get(FLOAT, address);
  }

  public static void putFloat(long address, float value) {
    ALL.set(FLOAT, address, value);
  }

  public static double getDouble(long address) {
    return ALL.get(DOUBLE, address);
  }

  public static void putDouble(long address, double value) {
    ALL.set(DOUBLE, address, value);
  }

  public static long getLong(long address) {
    return ALL.get(LONG, address);
  }

  public static void putLong(long address, long value) {
    ALL.set(LONG, address, value);
  }

  public static int getInt(long address) {
    return ALL.get(INT, address);
  }

  public static void putInt(long address, int value) {
    ALL.set(INT, address, value);
  }

  public static short getShort(long address) {
    return ALL.get(SHORT, address);
  }

  public static void putShort(long address, short value) {
    ALL.set(SHORT, address, value);
  }

  public static byte getByte(long address) {
    return ALL.get(ValueLayout.JAVA_BYTE, address);
  }

  public static void putByte(long address, byte value) {
    ALL.set(ValueLayout.JAVA_BYTE, address, value);
  }

  /** Copies bytes between ranges that do not overlap. */
  public static void copy(long from, long to, long bytes) {
    copy(ALL, from, ALL, to, bytes);
  }

  /**
   * Copies bytes between segments that do not overlap.
   *
   * <p>The form with layouts always moves memory as a whole. The one without copies less than 64
   * bytes in a loop of longs, and with JDK 25.0.3 results that went through it were seen to have
   * zeros in the middle, at 28, 32 and 60 bytes.
   */
  public static void copy(
      MemorySegment from, long fromOffset, MemorySegment to, long toOffset, long bytes) {
    MemorySegment.copy(
        from, ValueLayout.JAVA_BYTE, fromOffset, to, ValueLayout.JAVA_BYTE, toOffset, bytes);
  }

  /** Sets bytes to zero. Segments are filled whole only, and a slice would be an object. */
  public static void zero(long address, long bytes) {
    long end = address + bytes;
    long at = address;
    for (; at + BLOCK <= end; at += BLOCK) {
      copy(ZEROS, 0, ALL, at, BLOCK);
    }
    for (; at + Long.BYTES <= end; at += Long.BYTES) {
      putLong(at, 0);
    }
    for (; at < end; at++) {
      putByte(at, (byte) 0);
    }
  }
}
