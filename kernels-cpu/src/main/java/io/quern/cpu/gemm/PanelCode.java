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
import static io.quern.cpu.asm.VectorOp.VDPBF16PS;
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
 * parameters, but for the last ones: a bit for each column, with {@link #RECTIFIES} if floats below
 * zero become zero; and where B is packed or, with {@link #ADDS}, what is added, or 0. One loop
 * over k for each number of rows that a tile can have, whose sums stay in registers. Where B is
 * packed, the first tile, of all rows, stores what it loads of B for the others.
 *
 * <p>Bytes are multiplied in the same way: four of them are one element of a row, and their four
 * products are added to a sum of 32 bits.
 */
final class PanelCode {
  /** The bit that says that floats are rectified, with vectors of 512 bits. */
  static final long RECTIFIES = 1L << 62;

  /** The bit that says that the last parameter is what is added first, C_ROW from row to row. */
  static final long ADDS = 1L << 61;

  private static final int LINE = 64;

  /** Predicate of a comparison, false for NaN. */
  private static final int LESS_OR_EQUAL = 2;

  private static final Mask NOT_MORE = new Mask(6);

  /** Steps of k between two jumps. */
  private static final int UNROLLED = 4;

  /** Rows that are too few for a tile: their sums wait for each other. */
  private static final int FEW = 4;

  /** Steps of k between two requests for lines of the next panel. */
  private static final int BETWEEN_REQUESTS = 2;

  /**
   * Tiles, times vectors of a row, that ask for the whole next panel with a line at each request,
   * and with one at every other.
   */
  private static final int SOME = 2;

  private static final int MANY = 4;

  /** Where the addresses of a tile's rows of A are. */
  private static final List<Reg> A_ROWS = List.of(RAX, RBX, RBP, R8, R10, R11, R12, R13);

  private static final List<Reg> SAVED = List.of(RBX, RBP, R12, R13, R14, R15);
  private static final Reg TABLE = RDI;
  private static final Reg OFFSETS = RSI;
  private static final Reg B = RDX;
  private static final Reg B_ROW = RCX;
  private static final Reg AT = R14;

  /** A line of the next panel, and from it to others that are asked for together with it. */
  private static final Reg AHEAD = R15;

  private static final Reg TO_OTHER = R9;

  /** Where the next row of B is packed; the table's place is on the stack meanwhile. */
  private static final Reg PACK = TABLE;

  // In memory from the stack pointer on, once registers are saved.
  private static final Mem FIRST_OFFSET = Mem.at(RSP, 0);
  private static final Mem FIRST_B = Mem.at(RSP, 8);
  private static final Mem START = Mem.at(RSP, 16);
  private static final Mem ROWS_LEFT = Mem.at(RSP, 24);

  /** Where offsets end, and where the last whole {@link #UNROLLED} of them do. */
  private static final Mem END_OF_ALL = Mem.at(RSP, 32);

  private static final Mem END_OF_WHOLE = Mem.at(RSP, 40);

  /** Where AHEAD begins in the next tile, and how it goes on from tile to tile and in a tile. */
  private static final Mem FIRST_AHEAD = Mem.at(RSP, 48);

  private static final Mem NEXT_FIRST_AHEAD = Mem.at(RSP, 56);
  private static final Mem NEXT_AHEAD = Mem.at(RSP, 64);
  private static final Mem NEXT_TABLE = Mem.at(RSP, 72);
  private static final Mem ADDED = Mem.at(RSP, 80);
  private static final int LOCALS = 88;
  private static final Mem START_ROW = Mem.at(RSP, LOCALS + 8 * SAVED.size() + 8);
  private static final Mem C = START_ROW.plus(8);
  private static final Mem C_ROW = START_ROW.plus(16);
  private static final Mem COUNT = START_ROW.plus(24);
  private static final Mem COLUMNS = START_ROW.plus(32);
  private static final Mem PACKED = START_ROW.plus(40);

  /** What is multiplied. */
  enum Elements {
    FLOATS(VFMADD231PS, VADDPS),
    /** Fours of U8 in A and of I8 in B. */
    BYTES(VPDPBUSD, VPADDD),
    /** The same, with floats as results. */
    BYTES_TO_FLOATS(VPDPBUSD, VPADDD),
    /** Fours of I8 in A and of U8 in B, with bytes as results, see {@link ByteResults}. */
    BYTES_TO_BYTES(VPDPBUSD, VPADDD),
    /** Pairs of BF16, with floats as results. */
    BRAIN_TO_FLOATS(VDPBF16PS, VADDPS),
    /** The same, with BF16 as results. */
    BRAIN_FLOATS(VDPBF16PS, VADDPS),
    /** The same, where results below zero become zero. */
    BRAIN_FLOATS_RELU(VDPBF16PS, VADDPS);

    final VectorOp multiplyAdd;
    final VectorOp add;

    Elements(VectorOp multiplyAdd, VectorOp add) {
      this.multiplyAdd = multiplyAdd;
      this.add = add;
    }

    /** Bits of a result. */
    int resultBits() {
      return switch (this) {
        case FLOATS, BYTES, BYTES_TO_FLOATS, BRAIN_TO_FLOATS -> 32;
        case BRAIN_FLOATS, BRAIN_FLOATS_RELU -> 16;
        case BYTES_TO_BYTES -> 8;
      };
    }
  }

  private final Assembler asm = new Assembler();
  private final Elements elements;
  private final int tileRows;
  private final int vectors;
  private final int bits;

  /**
   * The code for tiles of so many rows.
   *
   * @param vectors of a row, 2 or 3
   * @param bits width of a vector, 512, or 256, which always computes all columns
   */
  PanelCode(Elements elements, int tileRows, int vectors, int bits) {
    this.elements = elements;
    this.tileRows = tileRows;
    this.vectors = vectors;
    this.bits = bits;
  }

  /** The code, which begins with the function. */
  Assembler write() {
    SAVED.forEach(asm::push);
    asm.sub(RSP, LOCALS);
    asm.mov(FIRST_OFFSET, OFFSETS);
    asm.mov(FIRST_B, B);
    asm.mov(START, R9);
    findNextPanel();
    if (finishes()) {
      findAdded();
    }
    asm.lea(RAX, Mem.at(OFFSETS, R8, 4));
    asm.mov(END_OF_ALL, RAX);
    asm.shr(R8, Integer.numberOfTrailingZeros(UNROLLED));
    asm.shl(R8, Integer.numberOfTrailingZeros(4 * UNROLLED));
    asm.lea(RAX, Mem.at(OFFSETS, R8, 1));
    asm.mov(END_OF_WHOLE, RAX);
    asm.mov(RAX, COUNT);
    asm.mov(ROWS_LEFT, RAX);
    Label end = asm.label();
    if (bits == 512) {
      masks();
      Label all = asm.label();
      asm.cmp(RAX, (1 << (bits / 32)) - 1);
      asm.jump(Condition.E, all);
      for (int width = vectors; width > 1; width--) {
        Label narrower = asm.label();
        lastBits(width);
        asm.test(RAX, RAX);
        asm.jump(Condition.E, narrower);
        panel(width, true, end);
        asm.bind(narrower);
      }
      panel(1, true, end);
      asm.bind(all);
    }
    panel(vectors, false, end);
    asm.bind(end);
    asm.vzeroupper();
    asm.add(RSP, LOCALS);
    SAVED.reversed().forEach(asm::pop);
    asm.ret();
    return asm;
  }

  /** Whether results are added to and rectified. */
  private boolean finishes() {
    return elements == Elements.FLOATS && bits == 512;
  }

  /** What the last parameter is. */
  private void findAdded() {
    Label packs = asm.label();
    asm.sub(RBX, RBX);
    asm.mov(RAX, COLUMNS);
    asm.shl(RAX, Long.SIZE - 1 - Long.numberOfTrailingZeros(ADDS));
    asm.shr(RAX, Long.SIZE - 1);
    asm.test(RAX, RAX);
    asm.jump(Condition.E, packs);
    asm.mov(RAX, PACKED);
    asm.mov(PACKED, RBX);
    asm.mov(RBX, RAX);
    asm.bind(packs);
    asm.mov(ADDED, RBX);
  }

  /**
   * Where a packed panel ends the next one begins; one in place has it at its right side. Tiles ask
   * for it in about equal parts, since caches wait for some lines only at a time, and for all of
   * it: lines one after another, or in place all lines of every second row.
   */
  private void findNextPanel() {
    int row = vectors * bits / 8;
    Label found = asm.label();
    asm.lea(AHEAD, Mem.at(B, row));
    asm.sub(TO_OTHER, TO_OTHER);
    asm.add(TO_OTHER, LINE);
    asm.mov(RAX, B_ROW);
    asm.lea(RBX, Mem.at(B_ROW, B_ROW, BETWEEN_REQUESTS - 1));
    asm.cmp(B_ROW, row);
    asm.jump(Condition.NE, found);
    asm.lea(AHEAD, Mem.at(R8, R8, vectors - 1));
    asm.shl(AHEAD, Integer.numberOfTrailingZeros(bits / 8));
    asm.add(AHEAD, B);
    asm.mov(RAX, R8);
    asm.shr(RAX, Integer.numberOfTrailingZeros(UNROLLED));
    asm.shl(RAX, Integer.numberOfTrailingZeros(LINE / 2 * UNROLLED / BETWEEN_REQUESTS));
    Label some = asm.label();
    Label many = asm.label();
    asm.mov(RBX, COUNT);
    asm.cmp(RBX, MANY * vectors * tileRows);
    asm.jump(Condition.AE, many);
    asm.shl(RAX, 1);
    asm.cmp(RBX, SOME * vectors * tileRows);
    asm.jump(Condition.AE, some);
    asm.lea(RAX, Mem.at(RAX, RAX, vectors - 1));
    asm.lea(RBX, Mem.at(TO_OTHER, TO_OTHER, vectors - 1));
    asm.jmp(found);
    asm.bind(some);
    asm.sub(TO_OTHER, TO_OTHER);
    asm.lea(RBX, Mem.at(TO_OTHER, LINE));
    asm.jmp(found);
    asm.bind(many);
    asm.sub(TO_OTHER, TO_OTHER);
    asm.lea(RBX, Mem.at(TO_OTHER, LINE / 2));
    asm.bind(found);
    asm.mov(FIRST_AHEAD, AHEAD);
    asm.mov(NEXT_FIRST_AHEAD, RAX);
    asm.mov(NEXT_AHEAD, RBX);
  }

  /**
   * All rows of a panel of so many vectors. Masks are for edges: caches do not read ahead of loads
   * with masks, and what is stored by them cannot be read before it is in the cache.
   */
  private void panel(int width, boolean masked, Label end) {
    Label whole = asm.label();
    Label rest = asm.label();
    Label next = asm.label();
    if (elements == Elements.FLOATS) {
      asm.mov(RAX, PACKED);
      asm.test(RAX, RAX);
      asm.jump(Condition.E, next);
      tile(tileRows, width, masked, true);
      asm.jump(Condition.E, end);
    }
    asm.bind(next);
    asm.mov(RAX, ROWS_LEFT);
    asm.cmp(RAX, tileRows);
    asm.jump(Condition.E, whole);
    asm.jump(Condition.B, rest);
    asm.cmp(RAX, tileRows + FEW);
    asm.jump(Condition.AE, whole);
    asm.shr(RAX, 1);
    asm.bind(rest);
    for (int rows = 1; rows < tileRows; rows++) {
      Label other = asm.label();
      asm.cmp(RAX, rows);
      asm.jump(Condition.NE, other);
      tile(rows, width, masked, false);
      asm.jump(Condition.NE, next);
      asm.jmp(end);
      asm.bind(other);
    }
    asm.jmp(end);
    asm.bind(whole);
    tile(tileRows, width, masked, false);
    asm.jump(Condition.NE, next);
    asm.jmp(end);
  }

  /** Sets the masks, and RAX to the columns of the last vector. */
  private void masks() {
    columns();
    asm.kmov(mask(0), RAX);
    for (int j = 1; j < vectors; j++) {
      asm.shr(RAX, bits / 32);
      asm.kmov(mask(j), RAX);
    }
  }

  /** Sets RAX to the columns from the last one of {@code width} vectors on. */
  private void lastBits(int width) {
    columns();
    asm.shr(RAX, (width - 1) * (bits / 32));
  }

  /** Sets RAX to the bits of columns, without what they say besides. */
  private void columns() {
    asm.mov(RAX, COLUMNS);
    asm.shl(RAX, 64 - vectors * (bits / 32));
    asm.shr(RAX, 64 - vectors * (bits / 32));
  }

  /** One tile; the comparison says afterwards whether it was the last. */
  private void tile(int rows, int width, boolean masked, boolean packs) {
    askForResult(rows, width);
    asm.mov(AHEAD, FIRST_AHEAD);
    asm.mov(AT, AHEAD);
    asm.add(AT, NEXT_FIRST_AHEAD);
    asm.mov(FIRST_AHEAD, AT);
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
    if (packs) {
      asm.mov(NEXT_TABLE, TABLE);
      asm.mov(PACK, PACKED);
    }
    if (!masked) {
      steps(END_OF_WHOLE, UNROLLED, rows, width, false, packs);
    }
    steps(END_OF_ALL, 1, rows, width, masked, packs);
    if (packs) {
      asm.mov(TABLE, NEXT_TABLE);
      asm.mov(B, PACKED);
      asm.mov(FIRST_B, B);
      asm.sub(B_ROW, B_ROW);
      asm.add(B_ROW, vectors * bits / 8);
    }
    store(rows, width, masked);
    asm.add(TABLE, 8 * rows);
    asm.mov(RAX, ROWS_LEFT);
    asm.sub(RAX, rows);
    asm.mov(ROWS_LEFT, RAX);
  }

  /** So many steps at a time up to the end of some offsets. */
  private void steps(Mem end, int unrolled, int rows, int width, boolean masked, boolean packs) {
    asm.loop(
        OFFSETS,
        end,
        4 * unrolled,
        () -> {
          for (int step = 0; step < unrolled; step++) {
            step(step, rows, width, masked, packs);
            if (step % BETWEEN_REQUESTS == BETWEEN_REQUESTS - 1) {
              askForNextPanel();
            }
          }
        });
  }

  private void askForNextPanel() {
    asm.prefetchNear(Mem.at(AHEAD));
    for (int j = 1; j < vectors; j++) {
      asm.prefetchNear(Mem.at(AHEAD, TO_OTHER, j));
    }
    asm.add(AHEAD, NEXT_AHEAD);
  }

  /** Where the sums go, and mostly come from, is far away when A and B fill the caches. */
  private void askForResult(int rows, int width) {
    Reg at = RAX;
    Reg row = RBX;
    asm.mov(at, C);
    asm.mov(row, C_ROW);
    int bytes = width * resultBytes();
    for (int i = 0; i < rows; i++) {
      for (int line = 0; line < bytes; line += LINE) {
        asm.prefetchToWrite(Mem.at(at, line));
      }
      asm.add(at, row);
    }
    if (finishes()) {
      askForAdded(rows, bytes);
    }
  }

  private void askForAdded(int rows, int bytes) {
    Label none = asm.label();
    Reg at = RAX;
    Reg row = RBX;
    asm.mov(at, ADDED);
    asm.test(at, at);
    asm.jump(Condition.E, none);
    for (int i = 0; i < rows; i++) {
      for (int line = 0; line < bytes; line += LINE) {
        asm.prefetchNear(Mem.at(at, line));
      }
      asm.add(at, row);
    }
    asm.bind(none);
  }

  /** Adds the products of a column of A and a row of B. */
  private void step(int number, int rows, int width, boolean masked, boolean packs) {
    asm.mov32(AT, Mem.at(OFFSETS, 4 * number));
    for (int j = 0; j < width; j++) {
      asm.op(VMOVUPS, masked ? b(j).zeroed(mask(j)) : b(j), Mem.at(B, j * bits / 8));
    }
    asm.add(B, B_ROW);
    if (packs) {
      for (int j = 0; j < width; j++) {
        asm.op(VMOVUPS, Mem.at(PACK, j * bits / 8), b(j));
      }
      asm.add(PACK, vectors * bits / 8);
    }
    for (int i = 0; i < rows; i++) {
      asm.op(VBROADCASTSS, a(), Mem.at(A_ROWS.get(i), AT, 1));
      for (int j = 0; j < width; j++) {
        boolean isSwapped = elements == Elements.BYTES_TO_BYTES; // unsigned bytes come first
        asm.op(elements.multiplyAdd, sum(i, j), isSwapped ? b(j) : a(), isSwapped ? a() : b(j));
      }
    }
  }

  private void store(int rows, int width, boolean masked) {
    if (!finishes()) {
      store(rows, width, masked, false, false);
      return;
    }
    Label done = asm.label();
    Label adds = asm.label();
    asm.mov(RAX, ADDED);
    asm.test(RAX, RAX);
    asm.jump(Condition.NE, adds);
    storeFinished(rows, width, masked, false);
    asm.jmp(done);
    asm.bind(adds);
    storeFinished(rows, width, masked, true);
    asm.bind(done);
  }

  private void storeFinished(int rows, int width, boolean masked, boolean adds) {
    Label rectified = asm.label();
    Label done = asm.label();
    asm.mov(RAX, COLUMNS);
    asm.shr(RAX, Long.numberOfTrailingZeros(RECTIFIES));
    asm.test(RAX, RAX);
    asm.jump(Condition.NE, rectified);
    store(rows, width, masked, adds, false);
    asm.jmp(done);
    asm.bind(rectified);
    asm.op(VXORPS, a().bits(128), a().bits(128), a().bits(128));
    store(rows, width, masked, adds, true);
    asm.bind(done);
  }

  private void store(int rows, int width, boolean masked, boolean adds, boolean rectifies) {
    Reg from = RAX;
    Reg fromRow = RBX;
    Reg to = R8;
    Reg toRow = R10;
    Reg added = R11;
    asm.mov(from, START);
    asm.mov(fromRow, START_ROW);
    asm.mov(to, C);
    asm.mov(toRow, C_ROW);
    if (adds) {
      asm.mov(added, ADDED);
    }
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < width; j++) {
        Vec sum = masked ? sum(i, j).masked(mask(j)) : sum(i, j);
        Mem target = Mem.at(to, j * resultBytes());
        if (elements == Elements.BYTES_TO_BYTES) {
          ByteResults.store(asm, sum(i, j), from, fromRow, target, sum);
          continue;
        }
        asm.op(elements.add, sum, sum(i, j), Mem.at(from, j * bits / 8));
        if (adds) {
          asm.op(elements.add, sum, sum(i, j), Mem.at(added, j * bits / 8));
        }
        if (rectifies) {
          asm.compare(NOT_MORE, sum(i, j), a(), LESS_OR_EQUAL);
          asm.op(VMOVUPS, sum(i, j).masked(NOT_MORE), a());
        }
        finish(sum, sum(i, j), target);
      }
      if (elements == Elements.BYTES_TO_BYTES) {
        asm.add(from, ByteResults.ROW);
      } else {
        asm.add(from, fromRow);
      }
      asm.add(to, toRow);
      if (adds) {
        asm.add(added, toRow);
      }
    }
    asm.mov(START, from);
    asm.mov(C, to);
    if (adds) {
      asm.mov(ADDED, added);
    }
  }

  /** Stores a sum as what results are. */
  private void finish(Vec kept, Vec sum, Mem to) {
    switch (elements) {
      case BRAIN_FLOATS, BRAIN_FLOATS_RELU ->
          BrainResults.store(asm, kept, elements == Elements.BRAIN_FLOATS_RELU ? a() : null, to);
      case BYTES_TO_FLOATS -> {
        asm.op(VCVTDQ2PS, kept, sum);
        asm.op(VMOVUPS, to, kept);
      }
      default -> asm.op(VMOVUPS, to, kept);
    }
  }

  /** Bytes of a vector's results. */
  private int resultBytes() {
    return elements.resultBits() * bits / 32 / 8;
  }

  private static Mask mask(int j) {
    return new Mask(1 + j);
  }

  private Vec a() {
    return Vec.of(vectors, bits);
  }

  private Vec b(int j) {
    return Vec.of(j, bits);
  }

  private Vec sum(int i, int j) {
    return Vec.of(vectors + 1 + i * vectors + j, bits);
  }
}
