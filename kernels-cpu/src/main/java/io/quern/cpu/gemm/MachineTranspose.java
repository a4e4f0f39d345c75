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
import static io.quern.cpu.asm.VectorOp.VMOVUPS;
import static io.quern.cpu.asm.VectorOp.VSHUFF32X4;
import static io.quern.cpu.asm.VectorOp.VSHUFPS;

import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.Assembler;
import io.quern.cpu.asm.Assembler.Condition;
import io.quern.cpu.asm.Label;
import io.quern.cpu.asm.MachineFunction;
import io.quern.cpu.asm.Mem;
import io.quern.cpu.asm.Reg;
import io.quern.cpu.asm.Vec;
import io.quern.cpu.asm.VectorOp;

/**
 * By squares of 16x16 in registers: squares of 4x4 within vectors, then blocks of four lanes among
 * vectors. The last squares move back to end with the matrix and copy some elements again.
 */
final class MachineTranspose extends Transpose {
  private static final int BITS = 512;
  private static final int SIDE = BITS / 32;

  /**
   * How far ahead in each row memory is asked for: images are transposed some rows of pixels at a
   * time, and processors do not look ahead in as many places.
   */
  private static final int AHEAD = 256;

  // Parameters: where squares and rows of them begin, and how many squares follow to the right.
  private static final Reg FROM = RDI;
  private static final Reg FROM_ROW = RSI;
  private static final Reg TO = RDX;
  private static final Reg TO_ROW = RCX;
  private static final Reg COUNT = R8;

  private static final Reg THREE_FROM_ROWS = R9;
  private static final Reg THREE_TO_ROWS = R10;
  private static final Reg AT = RAX;
  private static final Reg TO_AT = R11;

  private final MachineFunction squares = MachineTier.place("transposition", write());

  /** Whether there is machine code for it in this process. */
  static boolean isUsed() {
    return MachineTier.has512Bits();
  }

  @Override
  public void run(
      long from, long fromRow, long rows, long columns, long to, long toRow, long scratch) {
    if (rows < SIDE || columns < SIDE) {
      super.run(from, fromRow, rows, columns, to, toRow, scratch);
      return;
    }
    long whole = columns / SIDE;
    long last = columns - SIDE;
    for (long next = 0; next < rows; next += SIDE) {
      long i = Math.min(next, rows - SIDE);
      long source = from + i * fromRow;
      long target = to + 4 * i;
      squares(source, fromRow, target, toRow, whole);
      if (whole * SIDE < columns) {
        squares(source + 4 * last, fromRow, target + last * toRow, toRow, 1);
      }
    }
  }

  private void squares(long from, long fromRow, long to, long toRow, long count) {
    squares.call(from, fromRow, to, toRow, count);
  }

  private static Assembler write() {
    Assembler asm = new Assembler();
    asm.lea(THREE_FROM_ROWS, Mem.at(FROM_ROW, FROM_ROW, 2));
    asm.lea(THREE_TO_ROWS, Mem.at(TO_ROW, TO_ROW, 2));
    asm.align(32);
    Label next = asm.here();
    asm.mov(AT, FROM);
    asm.mov(TO_AT, TO);
    for (int row = 0; row < SIDE; row += 4) {
      loadFour(asm, row);
    }
    for (int row = 0; row < SIDE; row += 4) {
      transposeFour(asm, VSHUFPS, row, 1);
    }
    for (int row = 0; row < 4; row++) {
      transposeFour(asm, VSHUFF32X4, row, 4);
    }
    for (int row = 0; row < SIDE; row += 4) {
      storeFour(asm, row);
    }
    asm.add(FROM, 4 * SIDE);
    asm.mov(TO, TO_AT);
    asm.sub(COUNT, 1);
    asm.jump(Condition.NE, next);
    asm.vzeroupper();
    asm.ret();
    return asm;
  }

  private static Vec vec(int number) {
    return Vec.of(number, BITS);
  }

  private static void loadFour(Assembler asm, int first) {
    Mem[] rows = fourRows(AT, FROM_ROW, THREE_FROM_ROWS);
    for (int i = 0; i < rows.length; i++) {
      asm.op(VMOVUPS, vec(first + i), rows[i]);
      asm.prefetch(rows[i].plus(AHEAD));
    }
    asm.lea(AT, Mem.at(AT, FROM_ROW, 4));
  }

  private static void storeFour(Assembler asm, int first) {
    Mem[] rows = fourRows(TO_AT, TO_ROW, THREE_TO_ROWS);
    for (int i = 0; i < rows.length; i++) {
      asm.op(VMOVUPS, rows[i], vec(first + i));
      asm.prefetch(rows[i].plus(AHEAD));
    }
    asm.lea(TO_AT, Mem.at(TO_AT, TO_ROW, 4));
  }

  private static Mem[] fourRows(Reg at, Reg row, Reg threeRows) {
    return new Mem[] {Mem.at(at), Mem.at(at, row, 1), Mem.at(at, row, 2), Mem.at(at, threeRows, 1)};
  }

  /**
   * Transposes squares of four parts of vectors, elements of each block of four or blocks, in four
   * registers {@code step} apart. The shuffle takes two parts of its first source, then two of the
   * second one.
   */
  private static void transposeFour(Assembler asm, VectorOp shuffle, int first, int step) {
    Vec[] x = {vec(first), vec(first + step), vec(first + 2 * step), vec(first + 3 * step)};
    Vec[] y = {vec(SIDE), vec(SIDE + 1), vec(SIDE + 2), vec(SIDE + 3)};
    asm.op(shuffle, y[0], x[0], x[1], 0x44); // parts 0 and 1 of both
    asm.op(shuffle, y[1], x[0], x[1], 0xEE); // parts 2 and 3
    asm.op(shuffle, y[2], x[2], x[3], 0x44);
    asm.op(shuffle, y[3], x[2], x[3], 0xEE);
    asm.op(shuffle, x[0], y[0], y[2], 0x88); // parts 0 and 2
    asm.op(shuffle, x[1], y[0], y[2], 0xDD); // parts 1 and 3
    asm.op(shuffle, x[2], y[1], y[3], 0x88);
    asm.op(shuffle, x[3], y[1], y[3], 0xDD);
  }
}
