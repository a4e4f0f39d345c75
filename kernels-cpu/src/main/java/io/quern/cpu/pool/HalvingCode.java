package io.quern.cpu.pool;

import static io.quern.cpu.asm.Reg.R10;
import static io.quern.cpu.asm.Reg.R11;
import static io.quern.cpu.asm.Reg.R8;
import static io.quern.cpu.asm.Reg.R9;
import static io.quern.cpu.asm.Reg.RAX;
import static io.quern.cpu.asm.Reg.RBX;
import static io.quern.cpu.asm.Reg.RCX;
import static io.quern.cpu.asm.Reg.RDI;
import static io.quern.cpu.asm.Reg.RDX;
import static io.quern.cpu.asm.Reg.RSI;
import static io.quern.cpu.asm.Reg.RSP;
import static io.quern.cpu.asm.VectorOp.VBLENDMPS;
import static io.quern.cpu.asm.VectorOp.VBROADCASTSS;
import static io.quern.cpu.asm.VectorOp.VMOVUPS;
import static io.quern.cpu.asm.VectorOp.VPANDD;
import static io.quern.cpu.asm.VectorOp.VPERMT2PS;
import static io.quern.cpu.asm.VectorOp.VPMOVDW;
import static io.quern.cpu.asm.VectorOp.VPMOVZXWD;
import static io.quern.cpu.asm.VectorOp.VPORD;
import static io.quern.cpu.asm.VectorOp.VXORPS;

import io.quern.backend.Formulas;
import io.quern.cpu.asm.Assembler;
import io.quern.cpu.asm.Assembler.Condition;
import io.quern.cpu.asm.Assembler.Shift;
import io.quern.cpu.asm.Label;
import io.quern.cpu.asm.Mask;
import io.quern.cpu.asm.Mem;
import io.quern.cpu.asm.Reg;
import io.quern.cpu.asm.Vec;
import io.quern.cpu.asm.VectorCode;
import io.quern.cpu.asm.VectorTrace;
import io.quern.op.Binary;
import io.quern.op.ScalarProgram;
import io.quern.op.ScalarProgram.Apply2;
import java.util.List;

/**
 * Machine code of {@link Halving}, for floats or BF16, which are computed as floats: windows go by
 * 16, whose four elements are four vectors. A function of the System V convention of
 *
 * <ol>
 *   <li>the address of the image,
 *   <li>the bytes of an image row,
 *   <li>the pairs of rows, not none,
 *   <li>the bytes of a row of windows that whole vectors have, or, with masks, a bit for each 32
 *       bits of an image row,
 *   <li>where in a row of windows a last vector begins, of which some were computed before, in
 *       bytes, or less than 0; with masks, a bit for each window,
 *   <li>the bytes from a row of windows to the next,
 *   <li>the address of {@link #NUMBERS},
 *   <li>the address of the maxima, or of the windows' gradients,
 *   <li>the address of the image's gradient.
 * </ol>
 */
final class HalvingCode {
  /** What permutations go by: even and odd elements of two vectors, and how to merge these. */
  static final int[] NUMBERS = numbers();

  private static final int LANES = 16;
  private static final int BYTES = 4 * LANES;
  private static final int HALF = 16;

  private static final int NOT_EQUAL_OR_UNORDERED = 4;
  private static final int ORDERED = 7;

  private static final Reg FROM = RDI;
  private static final Reg DOWN = RSI;
  private static final Reg ROWS = RDX;
  private static final Reg WHOLE = RCX;
  private static final Reg LAST = R8;
  private static final Reg STEP = R9;
  private static final Reg WINDOWS = R10;
  private static final Reg TO = R11;
  private static final Reg AT = RAX;
  private static final Reg LOWER = RBX;

  private static final Mask FIRST_PART = new Mask(1);
  private static final Mask SECOND_PART = new Mask(2);
  private static final Vec[] ELEMENTS = {vec(0), vec(1), vec(2), vec(3)};
  private static final Vec GRADIENT = vec(4);
  private static final Vec ZERO = vec(5);
  private static final Vec OTHER = vec(6);
  private static final Vec EVENS = vec(7);
  private static final Vec ODDS = vec(8);
  private static final Vec LOWS = vec(9);
  private static final Vec HIGHS = vec(10);
  private static final Vec UPPER_HALVES = vec(11);
  private static final int FREE = 12;

  private final Assembler asm = new Assembler();
  private final boolean narrow;
  private final boolean gradient;
  private final boolean masked;
  private final VectorCode max;

  private static int[] numbers() {
    int[] numbers = new int[4 * LANES];
    for (int i = 0; i < LANES; i++) {
      numbers[i] = 2 * i;
      numbers[LANES + i] = 2 * i + 1;
      numbers[2 * LANES + i] = i / 2 + i % 2 * LANES;
      numbers[3 * LANES + i] = i / 2 + i % 2 * LANES + LANES / 2;
    }
    return numbers;
  }

  private HalvingCode(boolean narrow, boolean gradient, boolean masked) {
    this.narrow = narrow;
    this.gradient = gradient;
    this.masked = masked;
    VectorTrace trace = new VectorTrace();
    ScalarProgram program =
        new ScalarProgram(
            4,
            List.of(
                new Apply2(Binary.Fn.MAX, 0, 1),
                new Apply2(Binary.Fn.MAX, 2, 3),
                new Apply2(Binary.Fn.MAX, 4, 5)));
    List<Integer> inputs = List.of(trace.input(0), trace.input(1), trace.input(2), trace.input(3));
    int result = new Formulas<>(trace).run(program, inputs);
    this.max = new VectorCode(asm, trace, result, HalvingCode::noUniforms, 1, FREE);
  }

  /**
   * The code.
   *
   * @param narrow of BF16, not of floats
   * @param gradient of the gradient, not of the maxima
   * @param masked for rows of less than a vector of windows
   */
  static Assembler of(boolean narrow, boolean gradient, boolean masked) {
    return new HalvingCode(narrow, gradient, masked).write();
  }

  /** Bytes of a vector of windows. */
  private int windowsBytes() {
    return narrow ? BYTES / 2 : BYTES;
  }

  private static Mem noUniforms(int input) {
    throw new IllegalArgumentException("input " + input);
  }

  private static Vec vec(int number) {
    return Vec.of(number, 512);
  }

  private static Mem stacked(int index) {
    return Mem.at(RSP, 8 * (2 + index));
  }

  private Assembler write() {
    asm.push(RBX);
    asm.mov(AT, stacked(0));
    asm.op(VMOVUPS, EVENS, Mem.at(AT));
    asm.op(VMOVUPS, ODDS, Mem.at(AT, BYTES));
    asm.op(VMOVUPS, LOWS, Mem.at(AT, 2 * BYTES));
    asm.op(VMOVUPS, HIGHS, Mem.at(AT, 3 * BYTES));
    if (narrow) {
      asm.op(VBROADCASTSS, UPPER_HALVES, asm.constantBits(0xFFFF0000));
    }
    asm.op(VXORPS, ZERO.bits(128), ZERO.bits(128), ZERO.bits(128));
    asm.mov(WINDOWS, stacked(1));
    asm.mov(TO, stacked(2));
    max.prepare();
    Label row = asm.here();
    asm.lea(LOWER, Mem.at(FROM, DOWN, 1));
    if (masked) {
      asm.sub(AT, AT);
      block();
    } else {
      wholeBlocks();
    }
    asm.lea(FROM, Mem.at(FROM, DOWN, 2));
    asm.lea(TO, Mem.at(TO, DOWN, 2));
    asm.add(WINDOWS, STEP);
    asm.sub(ROWS, 1);
    asm.jump(Condition.NE, row);
    asm.vzeroupper();
    asm.pop(RBX);
    asm.ret();
    return asm;
  }

  private void wholeBlocks() {
    Label done = asm.label();
    asm.sub(AT, AT);
    asm.align(32);
    Label next = asm.here();
    block();
    asm.add(AT, windowsBytes());
    asm.cmp(AT, WHOLE);
    asm.jump(Condition.B, next);
    asm.cmp(LAST, 0);
    asm.jump(Condition.L, done);
    asm.mov(AT, LAST);
    block();
    asm.bind(done);
  }

  /** The windows of a vector, AT bytes from the first of their row. */
  private void block() {
    if (masked) {
      partMasks();
    }
    split(FROM, ELEMENTS[0], ELEMENTS[1]);
    split(LOWER, ELEMENTS[2], ELEMENTS[3]);
    Vec largest = max.write(1, (i, input, to) -> asm.op(VMOVUPS, to, ELEMENTS[input])).getFirst();
    Mem windows = Mem.at(WINDOWS, AT, 1);
    if (masked) {
      asm.kmov(FIRST_PART, LAST);
    }
    Mask present = masked ? FIRST_PART : Mask.ALL;
    if (!gradient) {
      storeWindows(windows, largest, present);
      return;
    }
    loadWindows(GRADIENT.zeroed(present), windows);
    handOut(largest);
    asm.mov(LOWER, TO);
    asm.add(LOWER, DOWN);
    if (masked) {
      partMasks();
    }
    merge(TO, ELEMENTS[0], ELEMENTS[1]);
    merge(LOWER, ELEMENTS[2], ELEMENTS[3]);
    asm.lea(LOWER, Mem.at(FROM, DOWN, 1));
  }

  private void storeWindows(Mem to, Vec values, Mask present) {
    if (narrow) {
      asm.shift(Shift.VPSRLD, values, values, HALF);
    }
    asm.op(narrow ? VPMOVDW : VMOVUPS, to, values.masked(present));
  }

  private void loadWindows(Vec to, Mem from) {
    asm.op(narrow ? VPMOVZXWD : VMOVUPS, to, from);
    if (narrow) {
      Vec all = Vec.of(to.number(), 512);
      asm.shift(Shift.VPSLLD, all, all, HALF);
    }
  }

  private void partMasks() {
    asm.kmov(FIRST_PART, WHOLE);
    asm.mov(AT, WHOLE);
    asm.shr(AT, LANES);
    asm.kmov(SECOND_PART, AT);
    asm.sub(AT, AT);
  }

  private static Mem image(Reg row, int vector) {
    return Mem.at(row, AT, 2).plus(vector * BYTES);
  }

  /** Loads the elements of a row as its even and odd columns. */
  private void split(Reg row, Vec evens, Vec odds) {
    if (narrow) {
      asm.op(VMOVUPS, masked ? odds.zeroed(FIRST_PART) : odds, image(row, 0));
      asm.shift(Shift.VPSLLD, evens, odds, HALF);
      asm.op(VPANDD, odds, odds, UPPER_HALVES);
      return;
    }
    asm.op(VMOVUPS, masked ? evens.zeroed(FIRST_PART) : evens, image(row, 0));
    asm.op(VMOVUPS, masked ? OTHER.zeroed(SECOND_PART) : OTHER, image(row, 1));
    asm.op(VMOVUPS, odds, evens);
    asm.op(VPERMT2PS, evens, EVENS, OTHER);
    asm.op(VPERMT2PS, odds, ODDS, OTHER);
  }

  /** Stores even and odd columns. */
  private void merge(Reg row, Vec evens, Vec odds) {
    if (narrow) {
      asm.shift(Shift.VPSRLD, evens, evens, HALF);
      asm.op(VPORD, evens, evens, odds);
      asm.op(VMOVUPS, image(row, 0), masked ? evens.masked(FIRST_PART) : evens);
      return;
    }
    asm.op(VMOVUPS, OTHER, evens);
    asm.op(VPERMT2PS, OTHER, LOWS, odds);
    asm.op(VPERMT2PS, evens, HIGHS, odds);
    asm.op(VMOVUPS, image(row, 0), masked ? OTHER.masked(FIRST_PART) : OTHER);
    asm.op(VMOVUPS, image(row, 1), masked ? evens.masked(SECOND_PART) : evens);
  }

  /**
   * Replaces elements by their gradients: that of the window for the first that is the largest or
   * NaN, 0 for others. Masks tell where none was found yet.
   */
  private void handOut(Vec largest) {
    Mask before = Mask.ALL;
    for (int i = 0; i < 3; i++) {
      Vec element = ELEMENTS[i];
      Mask after = new Mask(2 + i);
      asm.compare(after, element.masked(before), element, ORDERED);
      asm.compare(after, element.masked(after), largest, NOT_EQUAL_OR_UNORDERED);
      asm.op(VBLENDMPS, element.masked(after), GRADIENT, ZERO);
      if (i > 0) {
        asm.op(VMOVUPS, element.zeroed(before), element);
      }
      before = after;
    }
    asm.op(VMOVUPS, ELEMENTS[3].zeroed(before), GRADIENT);
  }
}
