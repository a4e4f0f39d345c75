package io.quern.cpu.reduce;

import static io.quern.cpu.asm.Reg.R10;
import static io.quern.cpu.asm.Reg.R8;
import static io.quern.cpu.asm.Reg.R9;
import static io.quern.cpu.asm.Reg.RAX;
import static io.quern.cpu.asm.Reg.RCX;
import static io.quern.cpu.asm.Reg.RDI;
import static io.quern.cpu.asm.Reg.RDX;
import static io.quern.cpu.asm.Reg.RSI;
import static io.quern.cpu.asm.VectorOp.VBROADCASTSS;
import static io.quern.cpu.asm.VectorOp.VMOVUPS;
import static io.quern.cpu.asm.VectorOp.VSHUFF32X4;
import static io.quern.cpu.asm.VectorOp.VSHUFPS;

import io.quern.backend.Formulas;
import io.quern.cpu.asm.Assembler;
import io.quern.cpu.asm.Assembler.Condition;
import io.quern.cpu.asm.Label;
import io.quern.cpu.asm.Mask;
import io.quern.cpu.asm.Mem;
import io.quern.cpu.asm.Operand;
import io.quern.cpu.asm.Reg;
import io.quern.cpu.asm.Vec;
import io.quern.cpu.asm.VectorCode;
import io.quern.cpu.asm.VectorTrace;
import io.quern.op.Binary;
import io.quern.op.Reduce;
import io.quern.op.ScalarProgram;
import io.quern.op.ScalarProgram.Apply2;
import java.util.List;

/**
 * Machine code of the loops of {@link RunReduce}, functions of the System V convention. A fold is
 * what a chain of its function computes; lanes are four vectors of 512 bits.
 */
final class RunCode {
  private static final int BITS = 512;
  private static final int BYTES = BITS / 8;
  private static final int SUMS = 4;
  private static final Reg FROM = RDI;
  private static final Reg SIZE = RSI;
  private static final Reg TO = RDX;
  private static final Reg AT = RAX;
  private static final Mask REST = VectorCode.spareMask();
  private static final Vec NEUTRAL = vec(2 * SUMS);
  private static final int FREE = 2 * SUMS + 1;

  private final Assembler asm = new Assembler();
  private final Reduce.Fn fn;
  private final VectorCode fold;

  RunCode(Reduce.Fn fn) {
    this.fn = fn;
    Binary.Fn binary =
        switch (fn) {
          case SUM -> Binary.Fn.ADD;
          case PROD -> Binary.Fn.MUL;
          case MAX -> Binary.Fn.MAX;
          case MIN -> Binary.Fn.MIN;
        };
    VectorTrace trace = new VectorTrace();
    ScalarProgram program = new ScalarProgram(2, List.of(new Apply2(binary, 0, 1)));
    int result = new Formulas<>(trace).run(program, List.of(trace.input(0), trace.input(1)));
    this.fold = new VectorCode(asm, trace, result, RunCode::noUniforms, SUMS, FREE);
    fold.prepare();
  }

  private static Mem noUniforms(int input) {
    throw new IllegalArgumentException("input " + input);
  }

  private static Vec vec(int number) {
    return Vec.of(number, BITS);
  }

  private static Mem at(Reg address, int vector) {
    return Mem.at(address, AT, 1).plus(vector * BYTES);
  }

  /** {@link RunReduce#accumulate} of so many bytes, a multiple of those of all lanes, not none. */
  Assembler accumulate() {
    for (int i = 0; i < SUMS; i++) {
      asm.op(VMOVUPS, vec(i), Mem.at(TO, i * BYTES));
    }
    foldBlocks();
    for (int i = 0; i < SUMS; i++) {
      asm.op(VMOVUPS, Mem.at(TO, i * BYTES), vec(i));
    }
    return ret();
  }

  /**
   * {@link RunReduce#runs}: a function of the address of the first run, its bytes that fill all
   * lanes, the address of the results, how many there are, not none, the bytes from a run to the
   * next, and a bit for each element that does not fill all lanes.
   */
  Assembler runs() {
    Reg count = RCX;
    Reg step = R8;
    Reg bits = R9;
    Label noBlocks = asm.label();
    asm.op(VBROADCASTSS, NEUTRAL, asm.constant(RunReduce.neutral(fn)));
    Label next = asm.here();
    for (int i = 0; i < SUMS; i++) {
      asm.op(VMOVUPS, vec(i), NEUTRAL);
    }
    asm.sub(AT, AT);
    asm.test(SIZE, SIZE);
    asm.jump(Condition.E, noBlocks);
    foldBlocks();
    asm.bind(noBlocks);
    asm.unlessZero(bits, () -> foldRest(bits));
    foldLanes();
    asm.sub(AT, AT);
    asm.add(AT, 1);
    asm.kmov(REST, AT);
    asm.op(VMOVUPS, Mem.at(TO), vec(0).masked(REST));
    asm.add(FROM, step);
    asm.add(TO, 4);
    asm.sub(count, 1);
    asm.jump(Condition.NE, next);
    return ret();
  }

  /** Folds elements that bits tell into lanes of their own, and these into the others. */
  private void foldRest(Reg bits) {
    asm.mov(R10, bits);
    for (int i = 0; i < SUMS; i++) {
      asm.kmov(REST, R10);
      asm.shr(R10, BITS / 32);
      asm.op(VMOVUPS, rest(i), NEUTRAL);
      asm.op(VMOVUPS, rest(i).masked(REST), at(FROM, i));
    }
    foldEach((i, input, to) -> asm.op(VMOVUPS, to, input == 0 ? NEUTRAL : rest(i)), SUMS);
    foldEach((i, input, to) -> asm.op(VMOVUPS, to, input == 0 ? vec(i) : rest(i)), 0);
  }

  private static Vec rest(int i) {
    return vec(SUMS + i);
  }

  /** Folds as many vectors as there are sums, to vectors from a number on. */
  private void foldEach(VectorCode.Load load, int first) {
    List<Vec> results = fold.write(SUMS, load);
    for (int i = 0; i < SUMS; i++) {
      asm.op(VMOVUPS, vec(first + i), results.get(i));
    }
  }

  /** {@link RunReduce#foldLanes}. */
  Assembler lanes() {
    for (int i = 0; i < SUMS; i++) {
      asm.op(VMOVUPS, vec(i), Mem.at(FROM, i * BYTES));
    }
    foldLanes();
    VectorCode.giveFirstElement(asm);
    return ret();
  }

  /**
   * {@link RunReduce#addRow} of so many bytes of whole vectors and, behind the result's address, a
   * bit for each element beyond them.
   */
  Assembler addRow() {
    Reg rest = RCX;
    asm.sub(AT, AT);
    asm.loop(
        AT,
        SIZE,
        BYTES,
        () -> asm.op(VMOVUPS, at(TO, 0), fold(1, at(TO, 0), at(FROM, 0)).getFirst()));
    asm.unlessZero(
        rest,
        () -> {
          asm.kmov(REST, rest);
          asm.op(VMOVUPS, vec(0).zeroed(REST), at(TO, 0));
          asm.op(VMOVUPS, vec(1).zeroed(REST), at(FROM, 0));
          Vec result = fold(1, vec(0), vec(1)).getFirst();
          asm.op(VMOVUPS, at(TO, 0), result.masked(REST));
        });
    return ret();
  }

  /**
   * Folds a column of vectors, so many bytes apart, into one: a function of the address of the
   * first, the bytes, the address of the result, how many there are, and a bit for each element.
   */
  Assembler addColumn() {
    Reg count = RCX;
    asm.kmov(REST, R8);
    asm.op(VMOVUPS, vec(0).zeroed(REST), Mem.at(TO));
    asm.align(32);
    Label next = asm.here();
    asm.op(VMOVUPS, vec(1).zeroed(REST), Mem.at(FROM));
    asm.op(VMOVUPS, vec(0), fold(1, vec(0), vec(1)).getFirst());
    asm.add(FROM, SIZE);
    asm.sub(count, 1);
    asm.jump(Condition.NE, next);
    asm.op(VMOVUPS, Mem.at(TO), vec(0).masked(REST));
    return ret();
  }

  private void foldBlocks() {
    asm.sub(AT, AT);
    asm.align(32);
    Label next = asm.here();
    foldEach((i, input, to) -> asm.op(VMOVUPS, to, input == 0 ? vec(i) : at(FROM, i)), 0);
    asm.add(AT, SUMS * BYTES);
    asm.cmp(AT, SIZE);
    asm.jump(Condition.B, next);
  }

  /** The four sums to one number, in the first element of the first vector. */
  private void foldLanes() {
    foldInto(0, vec(2));
    foldInto(1, vec(3));
    foldInto(0, vec(1));
    for (int swap : new int[] {0x4E, 0xB1}) {
      asm.op(VSHUFF32X4, vec(1), vec(0), vec(0), swap);
      foldInto(0, vec(1));
    }
    for (int swap : new int[] {0x4E, 0xB1}) {
      asm.op(VSHUFPS, vec(1), vec(0), vec(0), swap);
      foldInto(0, vec(1));
    }
  }

  private void foldInto(int sum, Vec other) {
    asm.op(VMOVUPS, vec(sum), fold(1, vec(sum), other).getFirst());
  }

  private List<Vec> fold(int vectors, Operand left, Operand right) {
    return fold.write(vectors, (i, input, to) -> asm.op(VMOVUPS, to, input == 0 ? left : right));
  }

  private Assembler ret() {
    asm.vzeroupper();
    asm.ret();
    return asm;
  }
}
