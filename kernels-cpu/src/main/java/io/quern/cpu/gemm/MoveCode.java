package io.quern.cpu.gemm;

import static io.quern.cpu.asm.Reg.R10;
import static io.quern.cpu.asm.Reg.R11;
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
import static io.quern.cpu.asm.VectorOp.VPERMT2PS;

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
  private static final Reg FROM = RDI;
  private static final Reg TO = RDX;
  private static final Reg ROWS = R8;
  private static final Reg REST = R10;
  private static final Reg AT = RAX;
  private static final Vec X = Vec.of(0, BITS);
  private static final Vec BIAS = Vec.of(1, BITS);

  private final Assembler asm = new Assembler();

  /**
   * {@link MicroKernel#copyRows}, a function of the addresses and strides of both matrices, the
   * rows, the bytes of whole vectors, a bit for each element beyond them, and the bias.
   */
  Assembler copyRows() {
    Mask mask = new Mask(1);
    return rows(
        () -> {
          asm.kmov(mask, REST);
          asm.op(VBROADCASTSS, BIAS, Mem.at(RSP, 16));
        },
        () -> {
          asm.op(VADDPS, X, BIAS, Mem.at(FROM, AT, 1));
          asm.op(VMOVUPS, Mem.at(TO, AT, 1), X);
        },
        () -> {
          asm.op(VMOVUPS, X.zeroed(mask), Mem.at(FROM, AT, 1));
          asm.op(VADDPS, X, X, BIAS);
          asm.op(VMOVUPS, Mem.at(TO, AT, 1), X.masked(mask));
        });
  }

  /**
   * {@link EverySecond#copyRows}, a function of the addresses and strides of both matrices, the
   * rows, the bytes of whole vectors in a row of results, the masks of what is beyond them (the
   * first and the second vector that are read, the one that is written, 16 bits each), and the
   * address of the numbers 0, 2, 4 to 30.
   */
  Assembler everySecond() {
    Vec second = Vec.of(1, BITS);
    Vec evens = Vec.of(2, BITS);
    Mask ofFirst = new Mask(1);
    Mask ofSecond = new Mask(2);
    Mask ofResult = new Mask(3);
    return rows(
        () -> {
          asm.mov(AT, Mem.at(RSP, 16));
          asm.op(VMOVUPS, evens, Mem.at(AT));
          asm.mov(R11, REST);
          asm.kmov(ofFirst, R11);
          asm.shr(R11, 16);
          asm.kmov(ofSecond, R11);
          asm.shr(R11, 16);
          asm.kmov(ofResult, R11);
        },
        () -> {
          asm.op(VMOVUPS, X, Mem.at(FROM, AT, 2));
          asm.op(VPERMT2PS, X, evens, Mem.at(FROM, AT, 2).plus(BYTES));
          asm.op(VMOVUPS, Mem.at(TO, AT, 1), X);
        },
        () -> {
          asm.op(VMOVUPS, X.zeroed(ofFirst), Mem.at(FROM, AT, 2));
          asm.op(VMOVUPS, second.zeroed(ofSecond), Mem.at(FROM, AT, 2).plus(BYTES));
          asm.op(VPERMT2PS, X, evens, second);
          asm.op(VMOVUPS, Mem.at(TO, AT, 1), X.masked(ofResult));
        });
  }

  /**
   * A function whose first parameters are the addresses and strides of both matrices, the rows, the
   * bytes of whole vectors in a row of results, and masks of what is beyond them, or 0.
   */
  private Assembler rows(Runnable prepare, Runnable whole, Runnable rest) {
    Label done = asm.label();
    asm.test(ROWS, ROWS);
    asm.jump(Condition.E, done);
    asm.mov(REST, Mem.at(RSP, 8));
    prepare.run();
    Label row = asm.here();
    asm.sub(AT, AT);
    asm.loop(AT, R9, BYTES, whole);
    asm.unlessZero(REST, rest);
    asm.add(FROM, RSI);
    asm.add(TO, RCX);
    asm.sub(ROWS, 1);
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
