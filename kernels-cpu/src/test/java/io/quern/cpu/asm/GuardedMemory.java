package io.quern.cpu.asm;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/** Memory between two pages that nobody may touch: whoever does crashes the process. */
public final class GuardedMemory {
  private static final long PAGE = 4096;
  private static final Linker LINKER = Linker.nativeLinker();
  private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;
  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;

  private final long first;
  private final long bytes;

  /** Memory of at least so many bytes, which stays for good. */
  public GuardedMemory(long bytes) {
    this.bytes = (bytes + PAGE - 1) / PAGE * PAGE;
    try {
      MethodHandle map =
          function("mmap", FunctionDescriptor.of(LONG, LONG, LONG, INT, INT, INT, LONG));
      MethodHandle protect = function("mprotect", FunctionDescriptor.of(INT, LONG, LONG, INT));
      int inaccessible = 0;
      int readable = 1 | 2;
      int privateAnonymous = 2 | 0x20;
      long base =
          (long) map.invokeExact(0L, this.bytes + 2 * PAGE, inaccessible, privateAnonymous, -1, 0L);
      this.first = base + PAGE;
      int result = (int) protect.invokeExact(first, this.bytes, readable);
      if (base == -1 || result != 0) {
        throw new IllegalStateException("mmap");
      }
    } catch (RuntimeException e) {
      throw e;
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  @SuppressWarnings("restricted")
  private static MethodHandle function(String name, FunctionDescriptor type) {
    return LINKER.downcallHandle(LINKER.defaultLookup().find(name).orElseThrow(), type);
  }

  /** Address of so many bytes that end where memory ends, or begin where it begins. */
  public long place(long size, boolean atEnd) {
    if (size > bytes) {
      throw new IllegalArgumentException(size + " bytes");
    }
    return atEnd ? first + bytes - size : first;
  }

  /** How much there is. */
  public long byteSize() {
    return bytes;
  }
}
