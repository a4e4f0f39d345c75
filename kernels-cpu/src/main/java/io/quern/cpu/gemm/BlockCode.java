package io.quern.cpu.gemm;

import static io.quern.cpu.asm.Assembler.Shift.VPSRLD;
import static io.quern.cpu.asm.Reg.R10;
import static io.quern.cpu.asm.Reg.R11;
import static io.quern.cpu.asm.Reg.R12;
import static io.quern.cpu.asm.Reg.R13;
import static io.quern.cpu.asm.Reg.R14;
import static io.quern.cpu.asm.Reg.R8;
import static io.quern.cpu.asm.Reg.R9;
import static io.quern.cpu.asm.Reg.RAX;
import static io.quern.cpu.asm.Reg.RBX;
import static io.quern.cpu.asm.Reg.RCX;
import static io.quern.cpu.asm.Reg.RDI;
import static io.quern.cpu.asm.Reg.RDX;
import static io.quern.cpu.asm.Reg.RSI;
import static io.quern.cpu.asm.Reg.RSP;
import static io.quern.cpu.asm.VectorOp.VADDPS;
import static io.quern.cpu.asm.VectorOp.VBROADCASTSS;
import static io.quern.cpu.asm.VectorOp.VFMADD231PS;
import static io.quern.cpu.asm.VectorOp.VMOVUPS;
import static io.quern.cpu.asm.VectorOp.VMULPS;
import static io.quern.cpu.asm.VectorOp.VPERMPS;
import static io.quern.cpu.asm.VectorOp.VPTERNLOGD;
import static io.quern.cpu.asm.VectorOp.VSHUFF32X4;
import static io.quern.cpu.asm.VectorOp.VSHUFPS;
import static io.quern.cpu.asm.VectorOp.VSUBPS;
import static io.quern.cpu.asm.VectorOp.VXORPS;

import io.quern.cpu.asm.Assembler;
import io.quern.cpu.asm.Assembler.Condition;
import io.quern.cpu.asm.Label;
import io.quern.cpu.asm.Mask;
import io.quern.cpu.asm.Mem;
import io.quern.cpu.asm.Reg;
import io.quern.cpu.asm.Vec;
import java.util.List;

/**
 * Machine code of {@link BlockProducts#run} for a slice of all rows, a function of the System V
 * convention. Its parameters are those of the method up to the rows of weights, except for the
 * number of rows of floats, bytes of a row of weights where the slice starts and ends, memory for
 * {@link BlockLayout#LANES} sums of each result, and what stays the same for a layout: for each
 * word of a vector the number of its block, a table, and numbers. Weights of 4 bits become floats
 * by a table of all 16, which an instruction finds by the low bits of a word; bytes become the last
 * bits of a float that is large enough for these to be integers.
 */
final class BlockCode {
  private static final int BITS = 512;
  private static final int BYTES = BITS / 8;

  /** How far ahead of their use weights are asked for. */
  private static final int AHEAD = 4096;

  /** A float whose last bit counts one. */
  private static final float LARGE = 0x1p23f;

  /** {@code to & left | right}. */
  private static final int AND_OR = 0xEA;

  // Bytes from the parameters that stay the same for a layout.
  static final int ROW_BYTES_AT = 2 * BYTES;
  static final int SCALE_ROW_BYTES_AT = ROW_BYTES_AT + 8;
  static final int MASKS_AT = ROW_BYTES_AT + 16;
  static final int LAST_AT = ROW_BYTES_AT + 24;
  static final int PARAMETERS = ROW_BYTES_AT + 32;

  private static final List<Reg> SAVED = List.of(RBX, R12, R13, R14);
  private static final Reg WEIGHTS = RDI;
  private static final Reg SCALES = RSI;
  private static final Reg ZEROS = RDX;
  private static final Reg FIRST_A = RCX;
  private static final Reg TO = R8;
  private static final Reg TO_ROW = R9;
  private static final Reg AT = RAX;
  private static final Reg A = R10;

  /** The first block of a vector, then where results go. */
  private static final Reg BLOCK = R11;

  private static final Reg END = RBX;
  private static final Reg COUNT = R12;
  private static final Reg CONSTANTS = R13;
  private static final Reg SUMS = R14;

  private static final Mem COUNT_GIVEN = Mem.at(RSP, 8 * SAVED.size() + 8);
  private static final Mem START = COUNT_GIVEN.plus(8);
  private static final Mem END_GIVEN = COUNT_GIVEN.plus(16);
  private static final Mem SUMS_GIVEN = COUNT_GIVEN.plus(24);
  private static final Mem CONSTANTS_GIVEN = COUNT_GIVEN.plus(32);

  private static final Mask LAST_WORDS = new Mask(1);
  private static final Mask LAST_BLOCKS = new Mask(2);
  private static final Mask BLOCKS = new Mask(3);
  private static final Mask FIRST = new Mask(4);

  // Behind two vectors for each row.
  private static final Vec WORDS = vec(16);
  private static final Vec NUMBERS = vec(17);
  private static final Vec SCALE = vec(18);
  private static final Vec ZERO = vec(19);

  /** For each word of a vector, the number of its block. */
  private static final Vec BLOCK_OF_WORD = vec(20);

  /** Of 4 bits, all numbers less what they have in common; of 8, what they are of a word. */
  private static final Vec TABLE = vec(21);

  private static final Vec LARGE_ONE = vec(22);

  /**
   * What it is written for.
   *
   * @param bits of a weight
   * @param block weights that share a scale
   * @param hasZeros whether blocks have zero points
   * @param rows of floats
   */
  record Kind(int bits, int block, boolean hasZeros, int rows) {
    int blockBytes() {
      return block * bits / 8;
    }

    /** Blocks of a vector of words, or 1 where one has several vectors. */
    int blocksOfVector() {
      return Math.max(1, BYTES / blockBytes());
    }
  }

  private final Assembler asm = new Assembler();
  private final Kind kind;

  BlockCode(Kind kind) {
    this.kind = kind;
  }

  private static Vec vec(int number) {
    return Vec.of(number, BITS);
  }

  private static Vec sum(int row) {
    return vec(row);
  }

  private static Vec sumOfWords(int row) {
    return vec(BlockProducts.MOST_ROWS + row);
  }

  /** The code, which begins with the function. */
  Assembler write() {
    SAVED.forEach(asm::push);
    prepare();
    Label next = asm.here();
    asm.mov(AT, START);
    begin();
    asm.mov(A, FIRST_A);
    asm.loop(AT, END, BYTES, () -> vector(false));
    end();
    asm.add(WEIGHTS, Mem.at(CONSTANTS, ROW_BYTES_AT));
    asm.add(SCALES, Mem.at(CONSTANTS, SCALE_ROW_BYTES_AT));
    asm.add(ZEROS, Mem.at(CONSTANTS, SCALE_ROW_BYTES_AT));
    asm.add(SUMS, kind.rows * BYTES);
    asm.add(TO, 4);
    asm.sub(COUNT, 1);
    asm.jump(Condition.NE, next);
    asm.vzeroupper();
    SAVED.reversed().forEach(asm::pop);
    asm.ret();
    return asm;
  }

  private void prepare() {
    asm.mov(COUNT, COUNT_GIVEN);
    asm.mov(END, END_GIVEN);
    asm.mov(SUMS, SUMS_GIVEN);
    asm.mov(CONSTANTS, CONSTANTS_GIVEN);
    asm.mov(RAX, Mem.at(CONSTANTS, MASKS_AT));
    asm.kmov(LAST_WORDS, RAX);
    asm.shr(RAX, BlockLayout.LANES);
    asm.kmov(LAST_BLOCKS, RAX);
    mask(BLOCKS, kind.blocksOfVector());
    mask(FIRST, 1);
    asm.op(VMOVUPS, BLOCK_OF_WORD, Mem.at(CONSTANTS));
    if (kind.bits == 4) {
      asm.op(VMOVUPS, TABLE, Mem.at(CONSTANTS, BYTES));
    } else {
      asm.op(VBROADCASTSS, TABLE, asm.constantBits((1 << kind.bits) - 1));
      asm.op(VBROADCASTSS, LARGE_ONE, asm.constant(LARGE));
      if (!kind.hasZeros) {
        asm.op(VBROADCASTSS, ZERO, asm.constant(LARGE + (1 << (kind.bits - 1))));
      }
    }
  }

  /** Sets the first elements of a mask. */
  private void mask(Mask mask, int elements) {
    asm.sub(RAX, RAX);
    asm.add(RAX, (1 << elements) - 1);
    asm.kmov(mask, RAX);
  }

  /** Sums go on from those of the slice before. */
  private void begin() {
    Label first = asm.label();
    Label begun = asm.label();
    asm.test(AT, AT);
    asm.jump(Condition.E, first);
    for (int row = 0; row < kind.rows; row++) {
      asm.op(VMOVUPS, sum(row), Mem.at(SUMS, row * BYTES));
    }
    asm.jmp(begun);
    asm.bind(first);
    for (int row = 0; row < kind.rows; row++) {
      Vec low = sum(row).bits(128); // clears the whole register
      asm.op(VXORPS, low, low, low);
    }
    asm.bind(begun);
  }

  /** The last slice ends with the last vector of a row, and its sums are results. */
  private void end() {
    Label last = asm.label();
    Label ended = asm.label();
    asm.cmp(END, Mem.at(CONSTANTS, LAST_AT));
    asm.jump(Condition.E, last);
    for (int row = 0; row < kind.rows; row++) {
      asm.op(VMOVUPS, Mem.at(SUMS, row * BYTES), sum(row));
    }
    asm.jmp(ended);
    asm.bind(last);
    vector(true);
    store();
    asm.bind(ended);
  }

  /** Adds the products of a vector of words, the last of a row or another. */
  private void vector(boolean last) {
    asm.mov(BLOCK, AT);
    asm.shr(BLOCK, Integer.numberOfTrailingZeros(kind.blockBytes()));
    ofBlocks(SCALES, SCALE, last);
    if (kind.hasZeros) {
      ofBlocks(ZEROS, ZERO, last);
      if (kind.bits == 8) {
        asm.op(VADDPS, ZERO, ZERO, LARGE_ONE);
      }
    }
    asm.op(VMOVUPS, last ? WORDS.zeroed(LAST_WORDS) : WORDS, Mem.at(WEIGHTS, AT, 1));
    asm.prefetch(Mem.at(WEIGHTS, AT, 1).plus(AHEAD));
    int perWord = 32 / kind.bits;
    for (int place = 0; place < perWord; place++) {
      numbers(place);
      for (int row = 0; row < kind.rows; row++) {
        Mem a = Mem.at(A, (row * perWord + place) * BYTES);
        asm.op(place == 0 ? VMULPS : VFMADD231PS, sumOfWords(row), NUMBERS, a);
      }
    }
    for (int row = 0; row < kind.rows; row++) {
      asm.op(VFMADD231PS, sum(row), sumOfWords(row), SCALE);
    }
    asm.add(A, kind.rows * perWord * BYTES);
  }

  /** One number for each block to one for each word. */
  private void ofBlocks(Reg from, Vec to, boolean last) {
    Mem first = Mem.at(from, BLOCK, 4);
    int blocks = kind.blocksOfVector();
    if (blocks == 1) {
      asm.op(VBROADCASTSS, to, first);
      return;
    }
    boolean isVector = blocks >= 4;
    Vec some = last ? to.zeroed(LAST_BLOCKS) : isVector ? to.bits(32 * blocks) : to.zeroed(BLOCKS);
    asm.op(VMOVUPS, some, first);
    asm.op(VPERMPS, to, BLOCK_OF_WORD, to);
  }

  /** The weights at one place of all words, less their zero points. */
  private void numbers(int place) {
    if (place > 0) {
      asm.shift(VPSRLD, NUMBERS, WORDS, place * kind.bits);
    } else {
      asm.op(VMOVUPS, NUMBERS, WORDS);
    }
    if (kind.bits == 4) {
      asm.op(VPERMPS, NUMBERS, NUMBERS, TABLE);
    } else {
      asm.op(VPTERNLOGD, NUMBERS, TABLE, LARGE_ONE, AND_OR);
    }
    if (kind.hasZeros || kind.bits == 8) {
      asm.op(VSUBPS, NUMBERS, NUMBERS, ZERO);
    }
  }

  /** Folds the lanes of each row, and stores their sums. */
  private void store() {
    Reg to = BLOCK;
    asm.mov(to, TO);
    for (int row = 0; row < kind.rows; row++) {
      Vec sum = sum(row);
      Vec other = sumOfWords(row);
      for (int swap : new int[] {0x4E, 0xB1}) {
        asm.op(VSHUFF32X4, other, sum, sum, swap);
        asm.op(VADDPS, sum, sum, other);
      }
      for (int swap : new int[] {0x4E, 0xB1}) {
        asm.op(VSHUFPS, other, sum, sum, swap);
        asm.op(VADDPS, sum, sum, other);
      }
      asm.op(VMOVUPS, Mem.at(to), sum.masked(FIRST));
      asm.add(to, TO_ROW);
    }
  }
}
