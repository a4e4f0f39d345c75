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
import static io.quern.cpu.asm.VectorOp.VCVTDQ2PS;
import static io.quern.cpu.asm.VectorOp.VMOVUPS;
import static io.quern.cpu.asm.VectorOp.VPADDD;

import io.quern.cpu.asm.Assembler;
import io.quern.cpu.asm.Assembler.Condition;
import io.quern.cpu.asm.Label;
import io.quern.cpu.asm.Mask;
import io.quern.cpu.asm.Mem;
import io.quern.cpu.asm.Reg;
import io.quern.cpu.asm.Tile;
import io.quern.cpu.asm.Vec;
import java.util.List;

/**
 * Machine code that multiplies rows of unsigned bytes with a panel of {@link BytePacker} in tile
 * registers: blocks of 32 rows and 32 columns, four tiles of sums, 64 steps of k at a time. A
 * function of the address and stride of A, the address of the panel, the bytes of a row, the
 * address and stride of what the sums are added to, those of the result, the rows, a bit for each
 * column, the address of {@link TilePanel}'s configurations and that of {@link #SCRATCH} bytes.
 */
final class TileCode {
  /** Rows of a block. */
  static final int ROWS = 32;

  /** What is multiplied. */
  enum Elements {
    /** U8 with a panel of {@link BytePacker}; results are I32. */
    BYTES,
    /** The same, with floats as results. */
    BYTES_TO_FLOATS,
    /**
     * I8, in blocks of {@link ByteRowPacker}, with a panel of U8; results are bytes, see {@link
     * ByteResults}.
     */
    BYTES_TO_BYTES,
    /** BF16 with a panel of {@link PairPacker}; results are floats. */
    BRAIN_TO_FLOATS,
    /** The same, with BF16 as results. */
    BRAIN_FLOATS,
    /** The same, where results below zero become zero. */
    BRAIN_FLOATS_RELU
  }

  /** Bytes of a tile's row, and of a configuration. */
  static final int LINE = 64;

  /** Bytes of a row of a panel, and of the sums in scratch memory. */
  private static final int ROW = 2 * LINE;

  /** Bytes of scratch memory. */
  static final int SCRATCH = ROWS * ROW;

  private static final int HALF = ROWS / 2;
  private static final Tile[] SUMS = {new Tile(0), new Tile(1), new Tile(2), new Tile(3)};
  private static final Tile[] A_TILES = {new Tile(4), new Tile(5)};
  private static final Tile[] B_TILES = {new Tile(6), new Tile(7)};

  private static final List<Reg> SAVED = List.of(RBX, RBP, R12, R13, R14, R15);
  private static final Reg A = RDI;
  private static final Reg A_ROW = RSI;
  private static final Reg B = RDX;
  private static final Reg B_END = RCX;
  private static final Reg START = R8;
  private static final Reg START_ROW = R9;
  private static final Reg C = R10;
  private static final Reg C_ROW = R11;
  private static final Reg ROWS_LEFT = R12;
  private static final Reg SUMS_AT = R13;

  /** 0 where the panel has all columns. */
  private static final Reg IS_NARROW = R14;

  private static final Reg STRIDE = R15;
  private static final Reg AT_B = RAX;
  private static final Reg[] AT_A = {RBX, RBP};

  private static final Mem C_PARAMETER = Mem.at(RSP, 8 * SAVED.size() + 8);
  private static final Mem C_ROW_PARAMETER = C_PARAMETER.plus(8);
  private static final Mem COUNT = C_PARAMETER.plus(16);
  private static final Mem COLUMNS = C_PARAMETER.plus(24);
  private static final Mem CONFIGURATIONS = C_PARAMETER.plus(32);
  private static final Mem SCRATCH_PARAMETER = C_PARAMETER.plus(40);

  private final Assembler asm = new Assembler();
  private final Elements elements;

  TileCode(Elements elements) {
    this.elements = elements;
  }

  /** The code, which begins with the function. */
  Assembler write() {
    SAVED.forEach(asm::push);
    parameters();
    Label rest = asm.label();
    Label next = asm.label();
    Label end = asm.label();
    asm.cmp(ROWS_LEFT, ROWS);
    asm.jump(Condition.B, rest);
    asm.mov(RAX, CONFIGURATIONS);
    asm.loadTileConfig(Mem.at(RAX, ROWS * LINE));
    asm.bind(next);
    block(2);
    asm.cmp(ROWS_LEFT, ROWS);
    asm.jump(Condition.AE, next);
    asm.bind(rest);
    asm.mov(RAX, ROWS_LEFT);
    asm.test(RAX, RAX);
    asm.jump(Condition.E, end);
    asm.shl(RAX, Integer.numberOfTrailingZeros(LINE));
    asm.add(RAX, CONFIGURATIONS);
    asm.loadTileConfig(Mem.at(RAX));
    Label few = asm.label();
    asm.cmp(ROWS_LEFT, HALF);
    asm.jump(Condition.BE, few);
    block(2);
    asm.jmp(end);
    asm.bind(few);
    block(1);
    asm.bind(end);
    asm.releaseTiles();
    asm.vzeroupper();
    SAVED.reversed().forEach(asm::pop);
    asm.ret();
    return asm;
  }

  private void parameters() {
    asm.shl(B_END, Integer.numberOfTrailingZeros(ROW / 4));
    asm.add(B_END, B);
    asm.mov(C, C_PARAMETER);
    asm.mov(C_ROW, C_ROW_PARAMETER);
    asm.mov(ROWS_LEFT, COUNT);
    asm.mov(SUMS_AT, SCRATCH_PARAMETER);
    asm.mov(RAX, COLUMNS);
    asm.kmov(mask(0), RAX);
    asm.mov(IS_NARROW, RAX);
    asm.shr(RAX, ROW / 8);
    asm.kmov(mask(1), RAX);
    asm.sub(RAX, RAX);
    asm.sub(RAX, 1);
    asm.shr(RAX, 32);
    asm.sub(IS_NARROW, RAX);
    asm.sub(STRIDE, STRIDE);
    asm.add(STRIDE, ROW);
  }

  /** A block of one or two tiles of rows. */
  private void block(int tiles) {
    asm.mov(AT_B, B);
    asm.mov(AT_A[0], A);
    asm.mov(AT_A[1], A_ROW);
    asm.shl(AT_A[1], Integer.numberOfTrailingZeros(HALF));
    asm.add(AT_A[1], A);
    for (int i = 0; i < 2 * tiles; i++) {
      asm.zero(SUMS[i]);
    }
    asm.align(32);
    Label step = asm.here();
    asm.load(B_TILES[0], Mem.at(AT_B, STRIDE, 1));
    asm.load(A_TILES[0], Mem.at(AT_A[0], A_ROW, 1));
    asm.load(B_TILES[1], Mem.at(AT_B, STRIDE, 1).plus(LINE));
    for (int i = 0; i < tiles; i++) {
      if (i > 0) {
        asm.load(A_TILES[i], Mem.at(AT_A[i], A_ROW, 1));
      }
      multiply(SUMS[2 * i], A_TILES[i], B_TILES[0]);
      multiply(SUMS[2 * i + 1], A_TILES[i], B_TILES[1]);
      asm.add(AT_A[i], elements == Elements.BYTES_TO_BYTES ? ROWS * LINE : LINE);
    }
    asm.add(AT_B, LINE / 4 * ROW);
    asm.cmp(AT_B, B_END);
    asm.jump(Condition.B, step);
    if (elements == Elements.BYTES_TO_BYTES) {
      asm.mov(A, AT_A[0]);
    }
    for (int i = 0; i < 2 * tiles; i++) {
      int at = i / 2 * HALF * ROW + i % 2 * LINE;
      asm.store(Mem.at(SUMS_AT, STRIDE, 1).plus(at), SUMS[i]);
    }
    Label narrow = asm.label();
    Label done = asm.label();
    asm.test(IS_NARROW, IS_NARROW);
    asm.jump(Condition.NE, narrow);
    finish(() -> add(false));
    asm.jmp(done);
    asm.bind(narrow);
    finish(() -> add(true));
    asm.bind(done);
    if (elements == Elements.BYTES_TO_BYTES) {
      return;
    }
    asm.mov(RAX, A_ROW);
    asm.shl(RAX, Integer.numberOfTrailingZeros(ROWS));
    asm.add(A, RAX);
  }

  private void multiply(Tile to, Tile left, Tile right) {
    switch (elements) {
      case BYTES, BYTES_TO_FLOATS -> asm.multiplyBytes(to, left, right);
      case BYTES_TO_BYTES -> asm.multiplySignedBytes(to, left, right);
      case BRAIN_TO_FLOATS, BRAIN_FLOATS, BRAIN_FLOATS_RELU ->
          asm.multiplyBrainFloats(to, left, right);
    }
  }

  /** Makes up to {@link #ROWS} rows of results from the sums at RAX. */
  private void finish(Runnable row) {
    Reg left = RBX;
    Label enough = asm.label();
    Label next = asm.label();
    asm.mov(RAX, SUMS_AT);
    asm.mov(left, ROWS_LEFT);
    asm.cmp(left, ROWS);
    asm.jump(Condition.BE, enough);
    asm.sub(left, left);
    asm.add(left, ROWS);
    asm.bind(enough);
    asm.sub(ROWS_LEFT, left);
    asm.bind(next);
    row.run();
    asm.add(RAX, ROW);
    if (elements == Elements.BYTES_TO_BYTES) {
      asm.add(START, ByteResults.ROW);
    } else {
      asm.add(START, START_ROW);
    }
    asm.add(C, C_ROW);
    asm.sub(left, 1);
    asm.jump(Condition.NE, next);
  }

  /** Adds what the sums of a row begin with. */
  private void add(boolean masked) {
    for (int j = 0; j < 2; j++) {
      Vec sum = Vec.of(j, 512);
      Vec kept = masked ? sum.masked(mask(j)) : sum;
      asm.op(VMOVUPS, sum, Mem.at(RAX, j * LINE));
      if (elements == Elements.BYTES_TO_BYTES) {
        ByteResults.store(asm, sum, START, START_ROW, Mem.at(C, j * LINE / 4), kept);
        continue;
      }
      Mem start = Mem.at(START, j * LINE);
      switch (elements) {
        case BYTES_TO_FLOATS -> {
          asm.op(VPADDD, kept, sum, start);
          asm.op(VCVTDQ2PS, sum, sum);
          asm.op(VMOVUPS, Mem.at(C, j * LINE), kept);
        }
        case BRAIN_FLOATS, BRAIN_FLOATS_RELU -> {
          asm.op(VADDPS, kept, sum, start);
          Vec zero = elements == Elements.BRAIN_FLOATS_RELU ? Vec.of(2, 512) : null;
          BrainResults.store(asm, kept, zero, Mem.at(C, j * LINE / 2));
        }
        default -> {
          asm.op(elements == Elements.BYTES ? VPADDD : VADDPS, kept, sum, start);
          asm.op(VMOVUPS, Mem.at(C, j * LINE), kept);
        }
      }
    }
  }

  private static Mask mask(int j) {
    return new Mask(1 + j);
  }
}
