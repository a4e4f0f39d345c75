package io.quern.cpu.reduce;

import static io.quern.cpu.asm.Reg.R8;
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
    this.fold = new VectorCode(asm, trace, result, RunCode::noUniforms, SUMS, SUMS);
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

  /** {@link RunReduce#run} of so many bytes, as in {@link #accumulate}. */
  Assembler run() {
    for (int i = 0; i < SUMS; i++) {
      asm.op(VBROADCASTSS, vec(i), asm.constant(RunReduce.neutral(fn)));
    }
    foldBlocks();
    foldLanes();
    VectorCode.giveFirstElement(asm);
    return ret();
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
    List<Vec> results =
        fold.write(SUMS, (i, input, to) -> asm.op(VMOVUPS, to, input == 0 ? vec(i) : at(FROM, i)));
    for (int i = 0; i < SUMS; i++) {
      asm.op(VMOVUPS, vec(i), results.get(i));
    }
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
