package io.quern.cpu;

import io.quern.cpu.asm.Assembler;
import io.quern.cpu.asm.Reg;

/** What the processor says of itself. That the system lets it, the JVM has found out already. */
final class Cpuid {
  /** Every processor with AVX-512 has this leaf. */
  private static final int FEATURES = 7;

  /** The first letters of its name. */
  private static final long AMD = 0x68747541;

  private static final int AVX512_VNNI = 11;
  private static final int AMX_BF16 = 32 + 22;
  private static final int AMX_TILE = 32 + 24;
  private static final int AMX_INT8 = 32 + 25;

  /** In the second part. */
  private static final int AVX512_BF16 = 5;

  private static final long FOUND =
      ask(FEATURES, 0, Register.D) << 32 | ask(FEATURES, 0, Register.C);

  private Cpuid() {}

  static boolean hasAvx512Vnni() {
    return has(AVX512_VNNI);
  }

  /** Whether there are products of BF16 in vectors. */
  static boolean hasAvx512Bf16() {
    return (ask(FEATURES, 1, Register.A) >> AVX512_BF16 & 1) != 0;
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

  /** Whether the processor is AMD's. */
  static boolean isAmd() {
    return ask(0, 0, Register.B) == AMD;
  }

  /** Where an answer is. */
  private enum Register {
    A,
    B,
    C,
    D
  }

  /** What one register has when a part of a leaf is asked for, which must exist. */
  private static long ask(int leaf, int part, Register answer) {
    Assembler asm = new Assembler();
    asm.push(Reg.RBX);
    asm.mov(Reg.RAX, Reg.RDI);
    asm.mov(Reg.RCX, Reg.RSI);
    asm.cpuid();
    switch (answer) {
      case A -> {}
      case B -> asm.mov(Reg.RAX, Reg.RBX);
      case C -> asm.mov(Reg.RAX, Reg.RCX);
      case D -> asm.mov(Reg.RAX, Reg.RDX);
    }
    asm.pop(Reg.RBX);
    asm.ret();
    return MachineTier.place("cpuid", asm).call(leaf, part);
  }
}
