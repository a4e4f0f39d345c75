package io.quern.cpu;

import io.quern.cpu.asm.Assembler;
import io.quern.cpu.asm.Reg;

/** What the processor says of itself. That the system lets it, the JVM has found out already. */
final class Cpuid {
  private static final long FEATURES = 7;
  private static final int AVX512_VNNI = 11;
  private static final long RCX = features();

  private Cpuid() {}

  static boolean hasAvx512Vnni() {
    return (RCX >> AVX512_VNNI & 1) != 0;
  }

  /** RCX of leaf 7, which every processor with AVX-512 has. */
  private static long features() {
    Assembler asm = new Assembler();
    asm.push(Reg.RBX);
    asm.mov(Reg.RAX, Reg.RDI);
    asm.sub(Reg.RCX, Reg.RCX);
    asm.cpuid();
    asm.mov(Reg.RAX, Reg.RCX);
    asm.pop(Reg.RBX);
    asm.ret();
    return MachineTier.place("cpuid", asm).call(FEATURES);
  }
}
