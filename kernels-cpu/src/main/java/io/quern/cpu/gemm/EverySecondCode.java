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
import static io.quern.cpu.asm.VectorOp.VMOVUPS;
import static io.quern.cpu.asm.VectorOp.VPERMT2PS;

import io.quern.cpu.asm.Assembler;
import io.quern.cpu.asm.Assembler.Condition;
import io.quern.cpu.asm.Label;
import io.quern.cpu.asm.Mask;
import io.quern.cpu.asm.Mem;
import io.quern.cpu.asm.Reg;
import io.quern.cpu.asm.Vec;

/**
 * Machine code of {@link EverySecond#copyRows}, a function of the addresses and strides of both
 * matrices, the rows, the bytes of whole vectors in a row of results, the masks of what is beyond
 * them (the first and the second vector that are read, the one that is written, 16 bits each), and
 * the address of the numbers 0, 2, 4 to 30.
 */
final class EverySecondCode {
  private static final int BITS = 512;
  private static final int BYTES = BITS / 8;

  private EverySecondCode() {}

  static Assembler write() {
    Assembler asm = new Assembler();
    Reg from = RDI;
    Reg to = RDX;
    Reg rows = R8;
    Reg end = R9;
    Reg rest = R10;
    Reg at = RAX;
    Vec first = Vec.of(0, BITS);
    Vec second = Vec.of(1, BITS);
    Vec evens = Vec.of(2, BITS);
    Mask ofFirst = new Mask(1);
    Mask ofSecond = new Mask(2);
    Mask ofResult = new Mask(3);
    Label done = asm.label();
    asm.test(rows, rows);
    asm.jump(Condition.E, done);
    asm.mov(rest, Mem.at(RSP, 8));
    asm.mov(at, Mem.at(RSP, 16));
    asm.op(VMOVUPS, evens, Mem.at(at));
    asm.mov(R11, rest);
    asm.kmov(ofFirst, R11);
    asm.shr(R11, 16);
    asm.kmov(ofSecond, R11);
    asm.shr(R11, 16);
    asm.kmov(ofResult, R11);
    Label row = asm.here();
    asm.sub(at, at);
    asm.loop(
        at,
        end,
        BYTES,
        () -> {
          asm.op(VMOVUPS, first, Mem.at(from, at, 2));
          asm.op(VPERMT2PS, first, evens, Mem.at(from, at, 2).plus(BYTES));
          asm.op(VMOVUPS, Mem.at(to, at, 1), first);
        });
    asm.unlessZero(
        rest,
        () -> {
          asm.op(VMOVUPS, first.zeroed(ofFirst), Mem.at(from, at, 2));
          asm.op(VMOVUPS, second.zeroed(ofSecond), Mem.at(from, at, 2).plus(BYTES));
          asm.op(VPERMT2PS, first, evens, second);
          asm.op(VMOVUPS, Mem.at(to, at, 1), first.masked(ofResult));
        });
    asm.add(from, RSI);
    asm.add(to, RCX);
    asm.sub(rows, 1);
    asm.jump(Condition.NE, row);
    asm.bind(done);
    asm.vzeroupper();
    asm.ret();
    return asm;
  }
}
