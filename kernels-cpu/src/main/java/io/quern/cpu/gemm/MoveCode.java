package io.quern.cpu.gemm;

import static io.quern.cpu.asm.Reg.R10;
import static io.quern.cpu.asm.Reg.R8;
import static io.quern.cpu.asm.Reg.R9;
import static io.quern.cpu.asm.Reg.RAX;
import static io.quern.cpu.asm.Reg.RCX;
import static io.quern.cpu.asm.Reg.RDI;
import static io.quern.cpu.asm.Reg.RDX;
import static io.quern.cpu.asm.Reg.RSI;
import static io.quern.cpu.asm.Reg.RSP;
import static io.quern.cpu.asm.VectorOp.VADDPS;
import static io.quern.cpu.asm.VectorOp.VBROADCASTSS;
import static io.quern.cpu.asm.VectorOp.VMOVUPS;

import io.quern.cpu.asm.Assembler;
import io.quern.cpu.asm.Assembler.Condition;
import io.quern.cpu.asm.Label;
import io.quern.cpu.asm.Mask;
import io.quern.cpu.asm.Mem;
import io.quern.cpu.asm.Reg;
import io.quern.cpu.asm.Vec;

/** Machine code that moves rows of floats, functions of the System V convention. */
final class MoveCode {
  private static final int BITS = 512;
  private static final int BYTES = BITS / 8;
  private static final Vec X = Vec.of(0, BITS);
  private static final Vec BIAS = Vec.of(1, BITS);

  private final Assembler asm = new Assembler();

  /**
   * {@link MicroKernel#copyRows}, a function of the addresses and strides of both matrices, the
   * rows, the bytes of whole vectors, a bit for each element beyond them, and the bias.
   */
  Assembler copyRows() {
    Reg from = RDI;
    Reg to = RDX;
    Reg rows = R8;
    Reg end = R9;
    Reg rest = R10;
    Reg at = RAX;
    Mask mask = new Mask(1);
    Label done = asm.label();
    asm.test(rows, rows);
    asm.jump(Condition.E, done);
    asm.mov(rest, Mem.at(RSP, 8));
    asm.kmov(mask, rest);
    asm.op(VBROADCASTSS, BIAS, Mem.at(RSP, 16));
    Label row = asm.here();
    asm.sub(at, at);
    asm.loop(
        at,
        end,
        BYTES,
        () -> {
          asm.op(VADDPS, X, BIAS, Mem.at(from, at, 1));
          asm.op(VMOVUPS, Mem.at(to, at, 1), X);
        });
    asm.unlessZero(
        rest,
        () -> {
          asm.op(VMOVUPS, X.zeroed(mask), Mem.at(from, at, 1));
          asm.op(VADDPS, X, X, BIAS);
          asm.op(VMOVUPS, Mem.at(to, at, 1), X.masked(mask));
        });
    asm.add(from, RSI);
    asm.add(to, RCX);
    asm.sub(rows, 1);
    asm.jump(Condition.NE, row);
    asm.bind(done);
    return ret();
  }

  /** {@link MicroKernel#fill} for rows of so many vectors. */
  Assembler fill(int vectors) {
    for (int i = 0; i < MicroKernel.ROWS; i++) {
      asm.op(VBROADCASTSS, X, Mem.at(RDI, 4 * i));
      for (int j = 0; j < vectors; j++) {
        asm.op(VMOVUPS, Mem.at(RSI, j * BYTES), X);
      }
      asm.add(RSI, RDX);
    }
    return ret();
  }

  /** {@link MicroKernel#packRows} for rows of so many vectors. */
  Assembler packRows(int vectors) {
    Reg from = RDI;
    Reg row = RSI;
    Reg rows = RDX;
    Reg to = RCX;
    Label done = asm.label();
    asm.test(rows, rows);
    asm.jump(Condition.E, done);
    Label next = asm.here();
    for (int j = 0; j < vectors; j++) {
      asm.op(VMOVUPS, Vec.of(j, BITS), Mem.at(from, j * BYTES));
    }
    for (int j = 0; j < vectors; j++) {
      asm.op(VMOVUPS, Mem.at(to, j * BYTES), Vec.of(j, BITS));
    }
    asm.add(from, row);
    asm.add(to, vectors * BYTES);
    asm.sub(rows, 1);
    asm.jump(Condition.NE, next);
    asm.bind(done);
    return ret();
  }

  private Assembler ret() {
    asm.vzeroupper();
    asm.ret();
    return asm;
  }
}
