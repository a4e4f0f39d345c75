package io.quern.cpu.asm;

/** What an instruction works on. */
public sealed interface Operand permits Reg, Vec, Mem {}
