package io.quern.cpu.attention;

import static io.quern.cpu.asm.Reg.R10;
import static io.quern.cpu.asm.Reg.R11;
import static io.quern.cpu.asm.Reg.R8;
import static io.quern.cpu.asm.Reg.R9;
import static io.quern.cpu.asm.Reg.RAX;
import static io.quern.cpu.asm.Reg.RCX;
import static io.quern.cpu.asm.Reg.RDI;
import static io.quern.cpu.asm.Reg.RDX;
import static io.quern.cpu.asm.Reg.RSI;
import static io.quern.cpu.asm.Reg.RSP;
import static io.quern.cpu.asm.VectorOp.VADDPS;
import static io.quern.cpu.asm.VectorOp.VBROADCASTSS;
import static io.quern.cpu.asm.VectorOp.VDIVPS;
import static io.quern.cpu.asm.VectorOp.VMAXPS;
import static io.quern.cpu.asm.VectorOp.VMOVUPS;
import static io.quern.cpu.asm.VectorOp.VMULPS;
import static io.quern.cpu.asm.VectorOp.VSUBPS;
import static io.quern.cpu.asm.VectorOp.VXORPS;

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
import java.util.List;
import java.util.function.IntConsumer;
import java.util.function.ToIntBiFunction;

/**
 * Machine code of {@link AttentionMath}: functions of the System V convention of addresses, of the
 * bytes of a row, and of two floats. A row is read in blocks of {@link AttentionMath#LANES}
 * elements, or in vectors where it says so.
 */
final class AttentionCode {
  private static final int BITS = 512;
  private static final int BYTES = BITS / 8;
  private static final int SUMS = 4;

  /** Predicate of a comparison, true for NaN. */
  private static final int NOT_EQUAL = 4;

  private static final Reg X = RDI;
  private static final Reg ROW_BYTES = RSI;
  private static final Reg OTHER = RDX;
  private static final Reg AT = RAX;

  private static final Vec FIRST_FLOAT = vec(SUMS);
  private static final Vec SECOND_FLOAT = vec(SUMS + 1);
  private static final Vec LOADED = vec(SUMS + 2);
  private static final int FREE = SUMS + 3;

  // Of functions of several rows.
  private static final Reg ROWS = RSI;
  private static final Reg END = RDX;
  private static final Reg MASK = RCX;
  private static final Reg MASK_ROW = R8;
  private static final Reg MAXIMA = R9;
  private static final Reg LANES = R10;
  private static final Reg BLOCKS_END = R11;
  private static final Vec SHIFT = FIRST_FLOAT;
  private static final Vec FACTOR = SECOND_FLOAT;
  private static final Mask REST = VectorCode.spareMask();

  private final Assembler asm = new Assembler();

  private static Vec vec(int number) {
    return Vec.of(number, BITS);
  }

  private static Mem at(Reg row, int vector) {
    return Mem.at(row, AT, 1).plus(vector * BYTES);
  }

  /** {@code other[i] = x[i] * f0}, vectors. */
  Assembler scale() {
    takeFloats();
    loop(
        1,
        i -> {
          asm.op(VMULPS, LOADED, FIRST_FLOAT, at(X, i));
          asm.op(VMOVUPS, at(OTHER, i), LOADED);
        });
    return ret();
  }

  /** {@code other[i] += x[i]}, vectors. */
  Assembler add() {
    loop(
        1,
        i -> {
          asm.op(VMOVUPS, LOADED, at(OTHER, i));
          asm.op(VADDPS, LOADED, LOADED, at(X, i));
          asm.op(VMOVUPS, at(OTHER, i), LOADED);
        });
    return ret();
  }

  /** {@code other[i] = x[i] * (other[i] - f0)}, vectors. */
  Assembler scoreGradient() {
    takeFloats();
    loop(
        1,
        i -> {
          asm.op(VMOVUPS, LOADED, at(OTHER, i));
          asm.op(VSUBPS, LOADED, LOADED, FIRST_FLOAT);
          asm.op(VMULPS, LOADED, LOADED, at(X, i));
          asm.op(VMOVUPS, at(OTHER, i), LOADED);
        });
    return ret();
  }

  /** Gives the largest element of x, leaving out NaN. */
  Assembler max() {
    for (int i = 0; i < SUMS; i++) {
      asm.op(VBROADCASTSS, vec(i), asm.constant(Float.NEGATIVE_INFINITY));
    }
    loop(
        SUMS,
        i -> {
          asm.op(VMOVUPS, LOADED, at(X, i));
          asm.op(VMAXPS, vec(i), LOADED, vec(i)); // of a NaN, the second one
        });
    VectorCode.foldLanes(asm, VMAXPS);
    VectorCode.giveFirstElement(asm);
    return ret();
  }

  /** {@code x[i] = exp(x[i] - f0)}; {@code other = other * f1 + sums of x}. */
  Assembler expSum() {
    takeFloats();
    for (int i = 0; i < SUMS; i++) {
      asm.op(VMULPS, vec(i), SECOND_FLOAT, Mem.at(OTHER, i * BYTES));
    }
    exponentials(
        SUMS,
        Formulas::expNegative,
        (i, result) -> {
          asm.op(VMOVUPS, at(X, i), result);
          asm.op(VADDPS, vec(i), vec(i), result);
        });
    for (int i = 0; i < SUMS; i++) {
      asm.op(VMOVUPS, Mem.at(OTHER, i * BYTES), vec(i));
    }
    return ret();
  }

  /** {@code x[i] = exp(x[i] - f0) * f1}. */
  Assembler weights() {
    takeFloats();
    exponentials(
        SUMS / 2,
        Formulas::exp,
        (i, result) -> {
          asm.op(VMULPS, LOADED, result, SECOND_FLOAT);
          asm.op(VMOVUPS, at(X, i), LOADED);
        });
    return ret();
  }

  /** A parameter that is not in a register, of those from the seventh on. */
  private static Mem parameter(int number) {
    return Mem.at(RSP, 8 * (number - 5));
  }

  /**
   * {@link AttentionMath#toWeights}: scores, rows, bytes of the vectors of a row, mask, bytes of
   * its rows, maxima, sums, the elements of the last vector, bytes of the blocks of four vectors,
   * result, bytes of its rows.
   */
  Assembler toWeights() {
    VectorTrace trace = new VectorTrace();
    int result = new Formulas<>(trace).expNegative(trace.input(0));
    VectorCode exp = new VectorCode(asm, trace, result, AttentionCode::noUniforms, SUMS, FREE);
    asm.mov(AT, parameter(7));
    asm.kmov(REST, AT);
    asm.mov(LANES, parameter(6));
    exp.prepare();
    Label next = asm.here();
    asm.unlessZero(MASK, this::addMask);
    largest();
    asm.op(VBROADCASTSS, FACTOR, Mem.at(MAXIMA, 0));
    asm.op(VMAXPS, vec(0), vec(0), FACTOR);
    asm.op(VMOVUPS, Mem.at(MAXIMA, 0), vec(0));
    asm.op(VBROADCASTSS, SHIFT, asm.constant(-Float.MAX_VALUE));
    asm.op(VMAXPS, SHIFT, SHIFT, vec(0));
    Vec grown = exp.write(1, (i, input, vec) -> asm.op(VSUBPS, vec, FACTOR, SHIFT)).getFirst();
    asm.op(VMOVUPS, FACTOR, grown);
    for (int i = 0; i < SUMS; i++) {
      asm.op(VMULPS, vec(i), FACTOR, Mem.at(LANES, i * BYTES));
    }
    eachVector(
        (count, sum) -> {
          List<Vec> results =
              exp.write(
                  count,
                  (i, input, vec) -> {
                    asm.op(VMOVUPS, vec, at(X, i));
                    asm.op(VSUBPS, vec, vec, SHIFT);
                  });
          for (int i = 0; i < count; i++) {
            asm.op(VMOVUPS, at(X, i), results.get(i));
            asm.op(VADDPS, vec(sum + i), vec(sum + i), results.get(i));
          }
        });
    for (int i = 0; i < SUMS; i++) {
      asm.op(VMOVUPS, Mem.at(LANES, i * BYTES), vec(i));
    }
    correctResult();
    asm.add(X, (int) AttentionShape.ROW);
    asm.add(MASK, MASK_ROW);
    asm.add(MAXIMA, (int) AttentionMath.MAXIMUM);
    asm.add(LANES, 4 * AttentionMath.LANES);
    asm.sub(ROWS, 1);
    asm.jump(Condition.NE, next);
    return ret();
  }

  /** From the last vector, of which there may be a part, to the first. */
  private void addMask() {
    Label next = asm.label();
    Label done = asm.label();
    asm.mov(AT, END);
    asm.sub(AT, BYTES);
    addMask(LOADED.zeroed(REST));
    asm.bind(next);
    asm.test(AT, AT);
    asm.jump(Condition.E, done);
    asm.sub(AT, BYTES);
    addMask(LOADED);
    asm.jmp(next);
    asm.bind(done);
  }

  private void addMask(Vec loaded) {
    asm.op(VMOVUPS, loaded, at(MASK, 0));
    asm.op(VADDPS, LOADED, LOADED, at(X, 0));
    asm.op(VMOVUPS, at(X, 0), LOADED);
  }

  /** The largest element of a row, leaving out NaN, to all elements of vector 0. */
  private void largest() {
    asm.mov(BLOCKS_END, parameter(8));
    for (int i = 0; i < SUMS; i++) {
      asm.op(VBROADCASTSS, vec(i), asm.constant(Float.NEGATIVE_INFINITY));
    }
    eachVector(
        (count, sum) -> {
          for (int i = 0; i < count; i++) {
            asm.op(VMOVUPS, LOADED, at(X, i));
            asm.op(VMAXPS, vec(sum + i), LOADED, vec(sum + i)); // of a NaN, the second one
          }
        });
    VectorCode.foldLanes(asm, VMAXPS);
  }

  private interface Vectors {
    /** Writes the code for so many vectors, each folded into the next register from one on. */
    void write(int count, int register);
  }

  /** Writes a loop over the vectors of a row: blocks of four, then single ones. */
  private void eachVector(Vectors body) {
    Label done = asm.label();
    asm.sub(AT, AT);
    asm.loop(AT, BLOCKS_END, SUMS * BYTES, () -> body.write(SUMS, 0));
    for (int i = 0; i < SUMS - 1; i++) {
      asm.cmp(AT, END);
      asm.jump(Condition.AE, done);
      body.write(1, i);
      asm.add(AT, BYTES);
    }
    asm.bind(done);
  }

  /** Multiplies a row of the result by the factor, and goes on to the next. */
  private void correctResult() {
    Reg result = BLOCKS_END; // loaded again for the next row
    asm.mov(result, parameter(9));
    asm.unlessZero(
        result,
        () -> {
          asm.sub(AT, AT);
          asm.loop(
              AT,
              parameter(10),
              BYTES,
              () -> {
                asm.op(VMULPS, LOADED, FACTOR, at(result, 0));
                asm.op(VMOVUPS, at(result, 0), LOADED);
              });
          asm.add(result, parameter(10));
          asm.mov(parameter(9), result);
        });
  }

  /**
   * {@link AttentionMath#divide}: rows, their number, bytes of whole vectors of a row, sums, bytes
   * from a row to the next, the results, bytes from one of those to the next, the elements of the
   * last vector.
   */
  Assembler divide() {
    Reg sums = RCX;
    Reg fromRow = R8;
    Reg to = R9;
    Reg toRow = R10;
    Mask some = new Mask(1);
    asm.mov(AT, parameter(7));
    asm.kmov(REST, AT);
    asm.mov(toRow, parameter(6));
    Label next = asm.here();
    for (int i = 0; i < SUMS; i++) {
      asm.op(VMOVUPS, vec(i), Mem.at(sums, i * BYTES));
    }
    VectorCode.foldLanes(asm, VADDPS);
    asm.op(VXORPS, LOADED, LOADED, LOADED);
    asm.compare(some, vec(0), LOADED, NOT_EQUAL);
    asm.op(VBROADCASTSS, FACTOR, asm.constant(1));
    asm.op(VDIVPS, FACTOR.zeroed(some), FACTOR, vec(0));
    asm.sub(AT, AT);
    asm.loop(
        AT,
        END,
        BYTES,
        () -> {
          asm.op(VMULPS, LOADED, FACTOR, at(X, 0));
          asm.op(VMOVUPS, at(to, 0), LOADED);
        });
    asm.op(VMOVUPS, LOADED.zeroed(REST), at(X, 0));
    asm.op(VMULPS, LOADED, LOADED, FACTOR);
    asm.op(VMOVUPS, at(to, 0), LOADED.masked(REST));
    asm.add(X, fromRow);
    asm.add(to, toRow);
    asm.add(sums, 4 * AttentionMath.LANES);
    asm.sub(ROWS, 1);
    asm.jump(Condition.NE, next);
    return ret();
  }

  private interface Use {
    void accept(int vector, Vec result);
  }

  private void exponentials(
      int vectors, ToIntBiFunction<Formulas<Integer>, Integer> function, Use use) {
    VectorTrace trace = new VectorTrace();
    int result = function.applyAsInt(new Formulas<>(trace), trace.input(0));
    VectorCode exp = new VectorCode(asm, trace, result, AttentionCode::noUniforms, vectors, FREE);
    exp.prepare();
    loop(
        vectors,
        () -> {
          var results =
              exp.write(
                  vectors,
                  (i, input, vec) -> {
                    asm.op(VMOVUPS, vec, at(X, i));
                    asm.op(VSUBPS, vec, vec, FIRST_FLOAT);
                  });
          for (int i = 0; i < vectors; i++) {
            use.accept(i, results.get(i));
          }
        });
  }

  private static Mem noUniforms(int input) {
    throw new IllegalArgumentException("input " + input);
  }

  /** They come after six parameters that are in registers. */
  private void takeFloats() {
    asm.op(VBROADCASTSS, FIRST_FLOAT, Mem.at(RSP, 8));
    asm.op(VBROADCASTSS, SECOND_FLOAT, Mem.at(RSP, 16));
  }

  private void loop(int vectors, IntConsumer body) {
    loop(
        vectors,
        () -> {
          for (int i = 0; i < vectors; i++) {
            body.accept(i);
          }
        });
  }

  private void loop(int vectors, Runnable body) {
    asm.sub(AT, AT);
    asm.loop(AT, ROW_BYTES, vectors * BYTES, body);
  }

  private Assembler ret() {
    asm.vzeroupper();
    asm.ret();
    return asm;
  }
}
