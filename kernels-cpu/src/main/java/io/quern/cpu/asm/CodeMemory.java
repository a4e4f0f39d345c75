package io.quern.cpu.asm;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/** Memory that code runs in. It is never writable and executable at once, and it stays for good. */
public final class CodeMemory {
  private static final int PROT_READ = 1;
  private static final int PROT_WRITE = 2;
  private static final int PROT_EXEC = 4;
  private static final int MAP_PRIVATE = 2;
  private static final int MAP_ANONYMOUS = 0x20;

  private CodeMemory() {}

  /**
   * Places code and gives the address of its first byte.
   *
   * @throws UnsupportedOperationException if the system does not allow it
   * @throws IllegalCallerException if the JVM does not allow it
   */
  @SuppressWarnings("restricted")
  public static MemorySegment place(byte[] code) {
    try {
      long address =
          (long)
              function(
                      "mmap",
                      FunctionDescriptor.of(
                          ValueLayout.JAVA_LONG,
                          ValueLayout.JAVA_LONG,
                          ValueLayout.JAVA_LONG,
                          ValueLayout.JAVA_INT,
                          ValueLayout.JAVA_INT,
                          ValueLayout.JAVA_INT,
                          ValueLayout.JAVA_LONG))
                  .invokeExact(
                      0L,
                      (long) code.length,
                      PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS,
                      -1,
                      0L);
      if (address == -1) {
        throw new UnsupportedOperationException("the system gives no memory for code");
      }
      MemorySegment memory = MemorySegment.ofAddress(address).reinterpret(code.length);
      memory.copyFrom(MemorySegment.ofArray(code));
      int result =
          (int)
              function(
                      "mprotect",
                      FunctionDescriptor.of(
                          ValueLayout.JAVA_INT,
                          ValueLayout.JAVA_LONG,
                          ValueLayout.JAVA_LONG,
                          ValueLayout.JAVA_INT))
                  .invokeExact(address, (long) code.length, PROT_READ | PROT_EXEC);
      if (result != 0) {
        throw new UnsupportedOperationException("the system does not let written memory run");
      }
      return memory;
    } catch (Error | RuntimeException e) {
      throw e;
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  @SuppressWarnings("restricted")
  private static MethodHandle function(String name, FunctionDescriptor type) {
    Linker linker = Linker.nativeLinker();
    MemorySegment address =
        linker
            .defaultLookup()
            .find(name)
            .orElseThrow(() -> new UnsupportedOperationException("the system has no " + name));
    return linker.downcallHandle(address, type);
  }
}
