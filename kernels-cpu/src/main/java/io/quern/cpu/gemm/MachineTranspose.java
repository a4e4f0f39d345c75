package io.quern.cpu.gemm;

import static io.quern.cpu.asm.Reg.R10;
import static io.quern.cpu.asm.Reg.R11;
import static io.quern.cpu.asm.Reg.R12;
import static io.quern.cpu.asm.Reg.R13;
import static io.quern.cpu.asm.Reg.R8;
import static io.quern.cpu.asm.Reg.R9;
import static io.quern.cpu.asm.Reg.RAX;
import static io.quern.cpu.asm.Reg.RBX;
import static io.quern.cpu.asm.Reg.RCX;
import static io.quern.cpu.asm.Reg.RDI;
import static io.quern.cpu.asm.Reg.RDX;
import static io.quern.cpu.asm.Reg.RSI;
import static io.quern.cpu.asm.Reg.RSP;
import static io.quern.cpu.asm.VectorOp.VMOVUPS;
import static io.quern.cpu.asm.VectorOp.VSHUFF32X4;
import static io.quern.cpu.asm.VectorOp.VSHUFPS;

import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.Assembler;
import io.quern.cpu.asm.Assembler.Condition;
import io.quern.cpu.asm.Label;
import io.quern.cpu.asm.MachineFunction;
import io.quern.cpu.asm.Mask;
import io.quern.cpu.asm.Mem;
import io.quern.cpu.asm.Reg;
import io.quern.cpu.asm.Vec;
import io.quern.cpu.asm.VectorOp;
import java.util.List;

/**
 * By squares of 16x16 in registers: squares of 4x4 within vectors, then blocks of four lanes among
 * vectors. Squares that lie one below the other come first, so that rows of the result are written
 * from their beginning to their end. The last squares move back to end with the matrix and copy
 * some elements again.
 */
final class MachineTranspose extends Transpose {
  private static final int BITS = 512;
  private static final int SIDE = BITS / 32;

  // Parameters: where squares and rows of them begin, and how many there are of them.
  private static final Reg FROM = RDI;
  private static final Reg FROM_ROW = RSI;
  private static final Reg TO = RDX;
  private static final Reg TO_ROW = RCX;
  private static final Reg DOWN = R8;
  private static final Reg ACROSS = R9;

  private static final Reg THREE_FROM_ROWS = R10;
  private static final Reg THREE_TO_ROWS = R11;
  private static final Reg FROM_AT = RAX;
  private static final Reg TO_AT = RBX;
  private static final Reg TO_COLUMN = R12;
  private static final Reg LEFT = R13;
  private static final List<Reg> SAVED = List.of(RBX, R12, R13);

  private static final int AHEAD = 256;
  private static final Mask LOADED = new Mask(1);
  private static final Mask STORED = new Mask(2);

  private final MachineFunction squares = MachineTier.place("transposition", write());
  private final MachineFunction part = MachineTier.place("part transposition", writePart());

  /** Whether there is machine code for it in this process. */
  static boolean isUsed() {
    return MachineTier.has512Bits();
  }

  @Override
  public void run(
      long from, long fromRow, long rows, long columns, long to, long toRow, long scratch) {
    if (rows < SIDE || columns < SIDE) {
      parts(from, fromRow, rows, columns, to, toRow);
      return;
    }
    long down = rows / SIDE;
    long across = columns / SIDE;
    squares.call(from, fromRow, to, toRow, down, across);
    long lastRow = rows - SIDE;
    long lastColumn = columns - SIDE;
    boolean isBelow = down * SIDE < rows;
    if (isBelow) {
      squares.call(from + lastRow * fromRow, fromRow, to + 4 * lastRow, toRow, 1, across);
    }
    if (across * SIDE == columns) {
      return;
    }
    long source = from + 4 * lastColumn;
    long target = to + lastColumn * toRow;
    squares.call(source, fromRow, target, toRow, down, 1);
    if (isBelow) {
      squares.call(source + lastRow * fromRow, fromRow, target + 4 * lastRow, toRow, 1, 1);
    }
  }

  /** Of matrices less than a square high, or less than one wide. */
  private void parts(long from, long fromRow, long rows, long columns, long to, long toRow) {
    for (long i = 0; i < rows; i += SIDE) {
      for (long j = 0; j < columns; j += SIDE) {
        long high = Math.min(SIDE, rows - i);
        long wide = Math.min(SIDE, columns - j);
        long source = from + i * fromRow + 4 * j;
        long target = to + j * toRow + 4 * i;
        long masks = ((1L << wide) - 1) | (((1L << high) - 1) << SIDE);
        part.call(source, fromRow, target, toRow, high, wide, masks, 0);
      }
    }
  }

  private static Assembler write() {
    Assembler asm = new Assembler();
    SAVED.forEach(asm::push);
    asm.lea(THREE_FROM_ROWS, Mem.at(FROM_ROW, FROM_ROW, 2));
    asm.lea(THREE_TO_ROWS, Mem.at(TO_ROW, TO_ROW, 2));
    Label column = asm.here();
    asm.mov(FROM_AT, FROM);
    asm.mov(TO_COLUMN, TO);
    asm.mov(LEFT, DOWN);
    asm.align(32);
    Label next = asm.here();
    for (int row = 0; row < SIDE; row += 4) {
      loadFour(asm, row);
    }
    transposeSquare(asm);
    asm.mov(TO_AT, TO_COLUMN);
    for (int row = 0; row < SIDE; row += 4) {
      storeFour(asm, row);
    }
    asm.add(TO_COLUMN, 4 * SIDE);
    asm.sub(LEFT, 1);
    asm.jump(Condition.NE, next);
    asm.add(FROM, 4 * SIDE);
    asm.lea(TO, Mem.at(TO, TO_ROW, 8));
    asm.lea(TO, Mem.at(TO, TO_ROW, 8));
    asm.sub(ACROSS, 1);
    asm.jump(Condition.NE, column);
    asm.vzeroupper();
    SAVED.reversed().forEach(asm::pop);
    asm.ret();
    return asm;
  }

  private static void transposeSquare(Assembler asm) {
    for (int row = 0; row < SIDE; row += 4) {
      transposeFour(asm, VSHUFPS, row, 1);
    }
    for (int row = 0; row < 4; row++) {
      transposeFour(asm, VSHUFF32X4, row, 4);
    }
  }

  /**
   * A square of which there is only a part: also a function of its rows, its columns, none of them
   * 0, and a bit for each column and each row.
   */
  private static Assembler writePart() {
    Reg rows = R8;
    Reg columns = R9;
    Assembler asm = new Assembler();
    asm.mov(RAX, Mem.at(RSP, 8));
    asm.kmov(LOADED, RAX);
    asm.shr(RAX, SIDE);
    asm.kmov(STORED, RAX);
    Label loaded = asm.label();
    for (int row = 0; row < SIDE; row++) {
      asm.op(VMOVUPS, vec(row).zeroed(LOADED), Mem.at(FROM));
      asm.add(FROM, FROM_ROW);
      asm.sub(rows, 1);
      asm.jump(Condition.E, loaded);
    }
    asm.bind(loaded);
    transposeSquare(asm);
    Label stored = asm.label();
    for (int row = 0; row < SIDE; row++) {
      asm.op(VMOVUPS, Mem.at(TO), vec(row).masked(STORED));
      asm.add(TO, TO_ROW);
      asm.sub(columns, 1);
      asm.jump(Condition.E, stored);
    }
    asm.bind(stored);
    asm.vzeroupper();
    asm.ret();
    return asm;
  }

  private static Vec vec(int number) {
    return Vec.of(number, BITS);
  }

  private static void loadFour(Assembler asm, int first) {
    Mem[] rows = fourRows(FROM_AT, FROM_ROW, THREE_FROM_ROWS);
    for (int i = 0; i < rows.length; i++) {
      asm.op(VMOVUPS, vec(first + i), rows[i]);
    }
    asm.lea(FROM_AT, Mem.at(FROM_AT, FROM_ROW, 4));
  }

  private static void storeFour(Assembler asm, int first) {
    Mem[] rows = fourRows(TO_AT, TO_ROW, THREE_TO_ROWS);
    for (int i = 0; i < rows.length; i++) {
      asm.op(VMOVUPS, rows[i], vec(first + i));
      asm.prefetchToWrite(rows[i].plus(AHEAD));
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
