package io.quern.cpu.pool;

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
import static io.quern.cpu.asm.VectorOp.VBROADCASTSS;
import static io.quern.cpu.asm.VectorOp.VDIVPS;
import static io.quern.cpu.asm.VectorOp.VMOVUPS;
import static io.quern.cpu.asm.VectorOp.VPERMT2PS;

import io.quern.backend.Formulas;
import io.quern.cpu.asm.Assembler;
import io.quern.cpu.asm.Assembler.Condition;
import io.quern.cpu.asm.Label;
import io.quern.cpu.asm.Mask;
import io.quern.cpu.asm.Mem;
import io.quern.cpu.asm.Reg;
import io.quern.cpu.asm.Vec;
import io.quern.cpu.asm.VectorCode;
import io.quern.cpu.asm.VectorTrace;
import io.quern.op.Binary;
import io.quern.op.Pool2d;
import io.quern.op.ScalarProgram;
import io.quern.op.ScalarProgram.Apply2;
import java.util.List;

/**
 * Machine code of {@link NinePool}: rows of windows whose three image rows are folded first, column
 * by column, in registers; then three neighbouring columns. Columns are counted from the one behind
 * the first of the first window, so that what a vector of windows wants from the vector before it
 * is a single column, or two with steps of one. A function of the System V convention of
 *
 * <ol>
 *   <li>the addresses of the column that is counted first in the three image rows,
 *   <li>the bytes from the image rows of a row of windows to those of the next,
 *   <li>the rows of windows, not none,
 *   <li>the address of the first window,
 *   <li>the bytes in a row of windows of all vectors but for the last,
 *   <li>bits for each element of the first vector: 16 for either vector of columns, 16 for the
 *       windows, and 16 more when the column before the first is in the image,
 *   <li>the same bits of the last vector, or 0 where the first one is the last,
 *   <li>the bytes from a row of windows to the next,
 *   <li>the address of what sums are divided by, and
 *   <li>the address of {@link #NUMBERS}.
 * </ol>
 */
final class NineCode {
  private static final int LANES = 16;
  private static final int BYTES = 4 * LANES;

  /** Even and odd elements of two vectors, and the elements one or two before those of a vector. */
  static final int[] NUMBERS = numbers();

  private static final Reg[] ROWS = {RDI, RSI, RDX};
  private static final Reg DOWN = RCX;
  private static final Reg COUNT = R8;
  private static final Reg WINDOWS = R9;
  private static final Reg AT = RAX;
  private static final Reg WHOLE = R10;
  private static final Reg FIRST = R11;
  private static final Reg LAST = RBX;
  private static final Reg BITS = R12;
  private static final Reg DIVISORS = R13;
  private static final Reg[] SAVED = {RBX, R12, R13};

  private static final Mask PRESENT = VectorCode.spareMask();
  private static final Vec NEUTRAL = vec(0);
  private static final Vec EVENS = vec(1);
  private static final Vec ODDS = vec(2);
  private static final Vec ONE_BEFORE = vec(3);
  private static final Vec TWO_BEFORE = vec(4);
  private static final Vec BEFORE = vec(5);
  private static final Vec LEFT = vec(6);
  private static final Vec MIDDLE = vec(7);
  private static final Vec RIGHT = vec(8);
  private static final int FREE = 9;

  private final Assembler asm = new Assembler();
  private final boolean average;
  private final int stride;
  private final VectorCode fold;

  private static int[] numbers() {
    int[] numbers = new int[4 * LANES];
    for (int i = 0; i < LANES; i++) {
      numbers[i] = 2 * i;
      numbers[LANES + i] = 2 * i + 1;
      numbers[2 * LANES + i] = i < 1 ? 2 * LANES - 1 : i - 1;
      numbers[3 * LANES + i] = i < 2 ? 2 * LANES - 2 + i : i - 2;
    }
    return numbers;
  }

  private NineCode(Pool2d.Fn fn, int stride) {
    this.average = fn == Pool2d.Fn.AVG;
    this.stride = stride;
    Binary.Fn binary = average ? Binary.Fn.ADD : Binary.Fn.MAX;
    VectorTrace trace = new VectorTrace();
    ScalarProgram program =
        new ScalarProgram(3, List.of(new Apply2(binary, 0, 1), new Apply2(binary, 3, 2)));
    List<Integer> inputs = List.of(trace.input(0), trace.input(1), trace.input(2));
    int result = new Formulas<>(trace).run(program, inputs);
    this.fold = new VectorCode(asm, trace, result, NineCode::noUniforms, 1, FREE);
  }

  /** The code for steps of one or two columns. */
  static Assembler of(Pool2d.Fn fn, int stride) {
    return new NineCode(fn, stride).write();
  }

  private static Mem noUniforms(int input) {
    throw new IllegalArgumentException("input " + input);
  }

  private static Vec vec(int number) {
    return Vec.of(number, 512);
  }

  private static Mem stacked(int index) {
    return Mem.at(RSP, 8 * (1 + SAVED.length + index));
  }

  private Assembler write() {
    for (Reg saved : SAVED) {
      asm.push(saved);
    }
    asm.mov(WHOLE, stacked(0));
    asm.mov(FIRST, stacked(1));
    asm.mov(LAST, stacked(2));
    asm.mov(DIVISORS, stacked(4));
    asm.mov(AT, stacked(5));
    asm.op(VMOVUPS, EVENS, Mem.at(AT));
    asm.op(VMOVUPS, ODDS, Mem.at(AT, BYTES));
    asm.op(VMOVUPS, ONE_BEFORE, Mem.at(AT, 2 * BYTES));
    asm.op(VMOVUPS, TWO_BEFORE, Mem.at(AT, 3 * BYTES));
    asm.op(VBROADCASTSS, NEUTRAL, asm.constant(average ? 0 : Float.NEGATIVE_INFINITY));
    fold.prepare();
    Label row = asm.here();
    row();
    for (Reg each : ROWS) {
      asm.add(each, DOWN);
    }
    asm.add(WINDOWS, stacked(3));
    asm.add(DIVISORS, stacked(3));
    asm.sub(COUNT, 1);
    asm.jump(Condition.NE, row);
    asm.vzeroupper();
    for (int i = SAVED.length - 1; i >= 0; i--) {
      asm.pop(SAVED[i]);
    }
    asm.ret();
    return asm;
  }

  /** A row of windows. */
  private void row() {
    asm.mov(BITS, FIRST);
    asm.shr(BITS, 3 * LANES);
    asm.kmov(PRESENT, BITS);
    asm.op(VMOVUPS, BEFORE, foldRows(this::loadBefore));
    asm.sub(AT, AT);
    vector(FIRST);
    Label done = asm.label();
    asm.test(LAST, LAST);
    asm.jump(Condition.E, done);
    asm.add(AT, BYTES);
    asm.loop(AT, WHOLE, BYTES, this::wholeVector);
    vector(LAST);
    asm.bind(done);
  }

  /** The element before the first column, in all lanes. */
  private void loadBefore(int copy, int row, Vec to) {
    asm.op(VMOVUPS, to, NEUTRAL);
    asm.op(VBROADCASTSS, to.masked(PRESENT), Mem.at(ROWS[row], -4));
  }

  private void wholeVector() {
    for (int half = 0; half < stride; half++) {
      int vector = half;
      Vec folded = foldRows((copy, row, to) -> asm.op(VMOVUPS, to, columns(row, vector)));
      asm.op(VMOVUPS, half == 0 ? MIDDLE : RIGHT, folded);
    }
    asm.op(VMOVUPS, at(WINDOWS), foldColumns(Mask.ALL));
  }

  /** A vector of windows that has not all elements, as bits tell. */
  private void vector(Reg bits) {
    asm.mov(BITS, bits);
    for (int half = 0; half < stride; half++) {
      int vector = half;
      asm.kmov(PRESENT, BITS);
      asm.shr(BITS, LANES);
      Vec folded = foldRows((copy, row, to) -> loadPresent(row, vector, to));
      asm.op(VMOVUPS, half == 0 ? MIDDLE : RIGHT, folded);
    }
    asm.mov(BITS, bits);
    asm.shr(BITS, 2 * LANES);
    asm.kmov(PRESENT, BITS);
    asm.op(VMOVUPS, at(WINDOWS), foldColumns(PRESENT).masked(PRESENT));
  }

  private void loadPresent(int row, int vector, Vec to) {
    asm.op(VMOVUPS, to, NEUTRAL);
    asm.op(VMOVUPS, to.masked(PRESENT), columns(row, vector));
  }

  private Mem columns(int row, int vector) {
    return Mem.at(ROWS[row], AT, stride).plus(vector * BYTES);
  }

  /** What belongs to windows: with steps of one, those that are done begin before the columns. */
  private Mem at(Reg ofRow) {
    return Mem.at(ofRow, AT, 1).plus(stride == 1 ? -4 : 0);
  }

  private Vec foldRows(VectorCode.Load load) {
    return fold.write(1, load).getFirst();
  }

  /** Folds what was folded by rows. */
  private Vec foldColumns(Mask present) {
    asm.op(VMOVUPS, LEFT, MIDDLE);
    if (stride == 1) {
      asm.op(VMOVUPS, RIGHT, MIDDLE);
      asm.op(VPERMT2PS, LEFT, TWO_BEFORE, BEFORE);
      asm.op(VPERMT2PS, MIDDLE, ONE_BEFORE, BEFORE);
    } else {
      asm.op(VPERMT2PS, LEFT, ODDS, RIGHT);
      asm.op(VPERMT2PS, MIDDLE, EVENS, RIGHT);
      asm.op(VMOVUPS, RIGHT, LEFT);
      asm.op(VPERMT2PS, LEFT, ONE_BEFORE, BEFORE);
    }
    asm.op(VMOVUPS, BEFORE, RIGHT);
    Vec[] columns = {LEFT, MIDDLE, RIGHT};
    Vec folded =
        fold.write(1, (copy, column, to) -> asm.op(VMOVUPS, to, columns[column])).getFirst();
    if (average) {
      asm.op(VDIVPS, folded.masked(present), folded, at(DIVISORS));
    }
    return folded;
  }
}
