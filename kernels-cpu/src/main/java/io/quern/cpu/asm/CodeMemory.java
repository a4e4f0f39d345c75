package io.quern.cpu.asm;

import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;

/** Memory that code runs in. It is never writable and executable at once, and it stays for good. */
public final class CodeMemory {
  private static final int PROT_READ = 1;
  private static final int PROT_WRITE = 2;
  private static final int PROT_EXEC = 4;
  private static final int MAP_PRIVATE = 2;
  private static final int MAP_ANONYMOUS = 0x20;

  /** Of the system, apart from the class itself. */
  private static final class Libc {
    static final MachineFunction MMAP = function("mmap");
    static final MachineFunction MPROTECT = function("mprotect");
    static final MachineFunction SYSCALL = function("syscall");

    private static MachineFunction function(String name) {
      return new MachineFunction(
          Linker.nativeLinker()
              .defaultLookup()
              .find(name)
              .orElseThrow(() -> new UnsupportedOperationException("the system has no " + name)));
    }
  }

  private static final int SYS_ARCH_PRCTL = 158;
  private static final int ARCH_REQ_XCOMP_PERM = 0x1023;
  private static final int XFEATURE_XTILEDATA = 18;

  private CodeMemory() {}

  /** Begins with what takes long before code can be called, in the background. */
  public static void prepare() {
    Downcall.prepare();
  }

  /** Asks the system to let all threads use tile registers; it must be Linux. */
  public static boolean requestTiles() {
    return Libc.SYSCALL.call(SYS_ARCH_PRCTL, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
  }

  /**
   * Places code and gives the function that begins with its first byte.
   *
   * @throws UnsupportedOperationException if the system does not allow it
   * @throws IllegalCallerException if the JVM does not allow it
   */
  @SuppressWarnings("restricted")
  public static MachineFunction place(byte[] code) {
    int anywhere = MAP_PRIVATE | MAP_ANONYMOUS;
    long address = Libc.MMAP.call(0, code.length, PROT_READ | PROT_WRITE, anywhere, -1, 0, 0, 0);
    if (address == -1) {
      throw new UnsupportedOperationException("the system gives no memory for code");
    }
    MemorySegment memory = MemorySegment.ofAddress(address).reinterpret(code.length);
    memory.copyFrom(MemorySegment.ofArray(code));
    int result = (int) Libc.MPROTECT.call(address, code.length, PROT_READ | PROT_EXEC);
    if (result != 0) {
      throw new UnsupportedOperationException("the system does not let written memory run");
    }
    return new MachineFunction(memory);
  }
}
