package io.quern.cpu;

import io.quern.cpu.asm.Assembler;
import io.quern.cpu.asm.Reg;

/** What the processor says of itself. That the system lets it, the JVM has found out already. */
final class Cpuid {
  private static final long FEATURES = 7;
  private static final int AVX512_VNNI = 11;
  private static final int AMX_BF16 = 32 + 22;
  private static final int AMX_TILE = 32 + 24;
  private static final int AMX_INT8 = 32 + 25;

  /** Among the features behind them. */
  private static final int AVX512_BF16 = 5;

  private static final long FOUND = features(0);
  private static final long FURTHER = features(1);

  private Cpuid() {}

  static boolean hasAvx512Vnni() {
    return has(AVX512_VNNI);
  }

  /** Whether there are products of BF16 in vectors. */
  static boolean hasAvx512Bf16() {
    return (FURTHER >> AVX512_BF16 & 1) != 0;
  }

  /** Whether there are tiles of bytes; the system must be asked for them. */
  static boolean hasAmxInt8() {
    return has(AMX_TILE) && has(AMX_INT8);
  }

  /** Whether these tiles can hold BF16, too. */
  static boolean hasAmxBf16() {
    return has(AMX_BF16);
  }

  private static boolean has(int bit) {
    return (FOUND >> bit & 1) != 0;
  }

  /**
   * What leaf 7, which every processor with AVX-512 has, says in its first parts: RCX and, above
   * it, RDX of the first, RAX of the second.
   */
  private static long features(int part) {
    Assembler asm = new Assembler();
    asm.push(Reg.RBX);
    asm.mov(Reg.RAX, Reg.RDI);
    asm.mov(Reg.RCX, Reg.RSI);
    asm.cpuid();
    if (part == 0) {
      asm.mov(Reg.RAX, Reg.RDX);
      asm.shl(Reg.RAX, 32);
      asm.add(Reg.RAX, Reg.RCX);
    }
    asm.pop(Reg.RBX);
    asm.ret();
    return MachineTier.place("cpuid", asm).call(FEATURES, part);
  }
}
