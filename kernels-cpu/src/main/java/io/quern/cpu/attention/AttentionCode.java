package io.quern.cpu.attention;

import static io.quern.cpu.asm.Reg.RAX;
import static io.quern.cpu.asm.Reg.RDI;
import static io.quern.cpu.asm.Reg.RDX;
import static io.quern.cpu.asm.Reg.RSI;
import static io.quern.cpu.asm.Reg.RSP;
import static io.quern.cpu.asm.VectorOp.VADDPS;
import static io.quern.cpu.asm.VectorOp.VBROADCASTSS;
import static io.quern.cpu.asm.VectorOp.VMAXPS;
import static io.quern.cpu.asm.VectorOp.VMOVUPS;
import static io.quern.cpu.asm.VectorOp.VMULPS;
import static io.quern.cpu.asm.VectorOp.VSUBPS;

import io.quern.backend.Formulas;
import io.quern.cpu.asm.Assembler;
import io.quern.cpu.asm.Mem;
import io.quern.cpu.asm.Reg;
import io.quern.cpu.asm.Vec;
import io.quern.cpu.asm.VectorCode;
import io.quern.cpu.asm.VectorTrace;
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

  private static final Reg X = RDI;
  private static final Reg ROW_BYTES = RSI;
  private static final Reg OTHER = RDX;
  private static final Reg AT = RAX;

  private static final Vec FIRST_FLOAT = vec(SUMS);
  private static final Vec SECOND_FLOAT = vec(SUMS + 1);
  private static final Vec LOADED = vec(SUMS + 2);
  private static final int FREE = SUMS + 3;

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
