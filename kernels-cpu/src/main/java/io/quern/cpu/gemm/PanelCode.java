package io.quern.cpu.gemm;

import static io.quern.cpu.asm.Reg.R10;
import static io.quern.cpu.asm.Reg.R11;
import static io.quern.cpu.asm.Reg.R12;
import static io.quern.cpu.asm.Reg.R13;
import static io.quern.cpu.asm.Reg.R14;
import static io.quern.cpu.asm.Reg.R15;
import static io.quern.cpu.asm.Reg.R8;
import static io.quern.cpu.asm.Reg.R9;
import static io.quern.cpu.asm.Reg.RAX;
import static io.quern.cpu.asm.Reg.RBP;
import static io.quern.cpu.asm.Reg.RBX;
import static io.quern.cpu.asm.Reg.RCX;
import static io.quern.cpu.asm.Reg.RDI;
import static io.quern.cpu.asm.Reg.RDX;
import static io.quern.cpu.asm.Reg.RSI;
import static io.quern.cpu.asm.Reg.RSP;
import static io.quern.cpu.asm.VectorOp.VADDPS;
import static io.quern.cpu.asm.VectorOp.VBROADCASTSS;
import static io.quern.cpu.asm.VectorOp.VCVTDQ2PS;
import static io.quern.cpu.asm.VectorOp.VFMADD231PS;
import static io.quern.cpu.asm.VectorOp.VMOVUPS;
import static io.quern.cpu.asm.VectorOp.VPADDD;
import static io.quern.cpu.asm.VectorOp.VPDPBUSD;
import static io.quern.cpu.asm.VectorOp.VXORPS;

import io.quern.cpu.asm.Assembler;
import io.quern.cpu.asm.Assembler.Condition;
import io.quern.cpu.asm.Label;
import io.quern.cpu.asm.Mask;
import io.quern.cpu.asm.Mem;
import io.quern.cpu.asm.Reg;
import io.quern.cpu.asm.Vec;
import io.quern.cpu.asm.VectorOp;
import java.util.List;

/**
 * Machine code of {@link MicroKernel#panel}, a function of the System V convention with the same
 * parameters, but for the last one: a bit for each column. One loop over k for each number of rows
 * that a tile can have, whose sums stay in registers.
 *
 * <p>Bytes are multiplied in the same way: four of them are one element of a row, and their four
 * products are added to a sum of 32 bits.
 */
final class PanelCode {
  /** Vectors of a row. */
  private static final int WIDTH = 2;

  private static final int LINE = 64;

  /** Where the addresses of a tile's rows of A are. */
  private static final List<Reg> A_ROWS = List.of(RAX, RBX, RBP, R8, R10, R11, R12, R13);

  private static final List<Reg> SAVED = List.of(RBX, RBP, R12, R13, R14, R15);
  private static final Reg TABLE = RDI;
  private static final Reg OFFSETS = RSI;
  private static final Reg B = RDX;
  private static final Reg B_ROW = RCX;
  private static final Reg END = R9;
  private static final Reg AT = R14;

  /** From a row of B to a line that the next panel has at the same place. */
  private static final Reg AHEAD = R15;

  // In memory from the stack pointer on, once registers are saved.
  private static final Mem FIRST_OFFSET = Mem.at(RSP, 0);
  private static final Mem FIRST_B = Mem.at(RSP, 8);
  private static final Mem START = Mem.at(RSP, 16);
  private static final Mem ROWS_LEFT = Mem.at(RSP, 24);

  /** The values of AHEAD for this tile and the next one. */
  private static final Mem LINE_AHEAD = Mem.at(RSP, 32);

  private static final Mem OTHER_LINE_AHEAD = Mem.at(RSP, 40);
  private static final int LOCALS = 48;
  private static final Mem START_ROW = Mem.at(RSP, LOCALS + 8 * SAVED.size() + 8);
  private static final Mem C = START_ROW.plus(8);
  private static final Mem C_ROW = START_ROW.plus(16);
  private static final Mem COUNT = START_ROW.plus(24);
  private static final Mem COLUMNS = START_ROW.plus(32);

  /** What is multiplied. */
  enum Elements {
    FLOATS(VFMADD231PS, VADDPS, false),
    /** Fours of U8 in A and of I8 in B. */
    BYTES(VPDPBUSD, VPADDD, false),
    /** The same, with floats as results. */
    BYTES_TO_FLOATS(VPDPBUSD, VPADDD, true);

    final VectorOp multiplyAdd;
    final VectorOp add;
    final boolean converts;

    Elements(VectorOp multiplyAdd, VectorOp add, boolean converts) {
      this.multiplyAdd = multiplyAdd;
      this.add = add;
      this.converts = converts;
    }
  }

  private final Assembler asm = new Assembler();
  private final Elements elements;
  private final int tileRows;
  private final int bits;

  /**
   * The code for tiles of so many rows of two vectors.
   *
   * @param bits width of a vector, 512, or 256, which always computes all columns
   */
  PanelCode(Elements elements, int tileRows, int bits) {
    this.elements = elements;
    this.tileRows = tileRows;
    this.bits = bits;
  }

  /** The code, which begins with the function. */
  Assembler write() {
    SAVED.forEach(asm::push);
    asm.sub(RSP, LOCALS);
    asm.mov(FIRST_OFFSET, OFFSETS);
    asm.mov(FIRST_B, B);
    asm.mov(START, R9);
    asm.shl(R8, 2);
    asm.lea(END, Mem.at(OFFSETS, R8, 1));
    asm.mov(RAX, COUNT);
    asm.mov(ROWS_LEFT, RAX);
    findNextPanel();
    Label end = asm.label();
    if (bits == 512) {
      Label all = asm.label();
      Label narrow = asm.label();
      masks();
      asm.cmp(RAX, (1 << (bits / 32)) - 1);
      asm.jump(Condition.E, all);
      asm.test(RAX, RAX);
      asm.jump(Condition.E, narrow);
      panel(WIDTH, true, end);
      asm.bind(narrow);
      panel(1, true, end);
      asm.bind(all);
    }
    panel(WIDTH, false, end);
    asm.bind(end);
    asm.vzeroupper();
    asm.add(RSP, LOCALS);
    SAVED.reversed().forEach(asm::pop);
    asm.ret();
    return asm;
  }

  /** Where a packed panel ends the next one begins; one in place has it at its right side. */
  private void findNextPanel() {
    int row = WIDTH * bits / 8;
    Label packed = asm.label();
    asm.mov(AHEAD, END);
    asm.sub(AHEAD, OFFSETS);
    asm.shl(AHEAD, Integer.numberOfTrailingZeros(row / 4));
    asm.cmp(B_ROW, row);
    asm.jump(Condition.E, packed);
    asm.sub(AHEAD, AHEAD);
    asm.add(AHEAD, row);
    asm.bind(packed);
    asm.mov(LINE_AHEAD, AHEAD);
    asm.add(AHEAD, LINE);
    asm.mov(OTHER_LINE_AHEAD, AHEAD);
  }

  /** Each tile asks for one of the two lines of a row. */
  private void takeTurn() {
    asm.mov(AHEAD, LINE_AHEAD);
    asm.mov(AT, OTHER_LINE_AHEAD);
    asm.mov(LINE_AHEAD, AT);
    asm.mov(OTHER_LINE_AHEAD, AHEAD);
  }

  /**
   * All rows of a panel of so many vectors. Masks are for edges: caches do not read ahead of loads
   * with masks, and what is stored by them cannot be read before it is in the cache.
   */
  private void panel(int width, boolean masked, Label end) {
    Label rest = asm.label();
    Label next = asm.here();
    asm.mov(RAX, ROWS_LEFT);
    asm.cmp(RAX, tileRows);
    asm.jump(Condition.L, rest);
    tile(tileRows, width, masked);
    asm.add(TABLE, 8 * tileRows);
    asm.mov(RAX, ROWS_LEFT);
    asm.sub(RAX, tileRows);
    asm.mov(ROWS_LEFT, RAX);
    asm.jmp(next);
    asm.bind(rest);
    for (int rows = 1; rows < tileRows; rows++) {
      Label other = asm.label();
      asm.mov(RAX, ROWS_LEFT);
      asm.cmp(RAX, rows);
      asm.jump(Condition.NE, other);
      tile(rows, width, masked);
      asm.jmp(end);
      asm.bind(other);
    }
    asm.jmp(end);
  }

  /** Sets the masks, and RAX to the columns of the second vector. */
  private void masks() {
    asm.mov(RAX, COLUMNS);
    asm.kmov(mask(0), RAX);
    asm.shr(RAX, bits / 32);
    asm.kmov(mask(1), RAX);
  }

  private void tile(int rows, int width, boolean masked) {
    askForResult(rows, width);
    takeTurn();
    for (int i = 0; i < rows; i++) {
      asm.mov(A_ROWS.get(i), Mem.at(TABLE, 8 * i));
    }
    asm.mov(OFFSETS, FIRST_OFFSET);
    asm.mov(B, FIRST_B);
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < width; j++) {
        Vec low = sum(i, j).bits(128); // clears the whole register
        asm.op(VXORPS, low, low, low);
      }
    }
    Label stored = asm.label();
    asm.cmp(OFFSETS, END);
    asm.jump(Condition.AE, stored);
    asm.align(32);
    Label step = asm.here();
    step(rows, width, masked);
    asm.cmp(OFFSETS, END);
    asm.jump(Condition.B, step);
    asm.bind(stored);
    store(rows, width, masked);
  }

  /** What the sums are added to is far away when A and B fill the caches. */
  private void askForResult(int rows, int width) {
    Reg at = RAX;
    Reg row = RBX;
    asm.mov(at, START);
    asm.mov(row, START_ROW);
    for (int i = 0; i < rows; i++) {
      for (int line = 0; line < width * bits / 8; line += LINE) {
        asm.prefetch(Mem.at(at, line));
      }
      asm.add(at, row);
    }
  }

  /** Adds the products of a column of A and a row of B. */
  private void step(int rows, int width, boolean masked) {
    asm.mov32(AT, Mem.at(OFFSETS));
    asm.add(OFFSETS, 4);
    for (int j = 0; j < width; j++) {
      asm.op(VMOVUPS, masked ? b(j).zeroed(mask(j)) : b(j), Mem.at(B, j * bits / 8));
    }
    asm.prefetch(Mem.at(B, AHEAD, 1));
    asm.add(B, B_ROW);
    for (int i = 0; i < rows; i++) {
      asm.op(VBROADCASTSS, a(), Mem.at(A_ROWS.get(i), AT, 1));
      for (int j = 0; j < width; j++) {
        asm.op(elements.multiplyAdd, sum(i, j), a(), b(j));
      }
    }
  }

  private void store(int rows, int width, boolean masked) {
    Reg from = RAX;
    Reg fromRow = RBX;
    Reg to = R8;
    Reg toRow = R10;
    asm.mov(from, START);
    asm.mov(fromRow, START_ROW);
    asm.mov(to, C);
    asm.mov(toRow, C_ROW);
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < width; j++) {
        int at = j * bits / 8;
        Vec sum = masked ? sum(i, j).masked(mask(j)) : sum(i, j);
        asm.op(elements.add, sum, sum(i, j), Mem.at(from, at));
        if (elements.converts) {
          asm.op(VCVTDQ2PS, sum, sum(i, j));
        }
        asm.op(VMOVUPS, Mem.at(to, at), sum);
      }
      asm.add(from, fromRow);
      asm.add(to, toRow);
    }
    asm.mov(START, from);
    asm.mov(C, to);
  }

  private static Mask mask(int j) {
    return new Mask(1 + j);
  }

  private Vec a() {
    return Vec.of(WIDTH, bits);
  }

  private Vec b(int j) {
    return Vec.of(j, bits);
  }

  private Vec sum(int i, int j) {
    return Vec.of(WIDTH + 1 + i * WIDTH + j, bits);
  }
}
