package io.quern.cpu.optim;

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
import static io.quern.cpu.asm.VectorOp.VADDPS;
import static io.quern.cpu.asm.VectorOp.VBROADCASTSS;
import static io.quern.cpu.asm.VectorOp.VDIVPS;
import static io.quern.cpu.asm.VectorOp.VFMADD213PS;
import static io.quern.cpu.asm.VectorOp.VFMADD231PS;
import static io.quern.cpu.asm.VectorOp.VMOVUPS;
import static io.quern.cpu.asm.VectorOp.VMULPS;
import static io.quern.cpu.asm.VectorOp.VSQRTPS;

import io.quern.cpu.asm.Assembler;
import io.quern.cpu.asm.Mask;
import io.quern.cpu.asm.Mem;
import io.quern.cpu.asm.Reg;
import io.quern.cpu.asm.Vec;
import java.util.List;

/**
 * Machine code of {@link StepMath}, functions of the System V convention of the address of a table
 * (where each operand begins, 8 bytes each, then the factors, floats), the bytes of whole vectors,
 * and a bit for each element beyond them.
 */
final class StepCode {
  /** Factors of an SgdStep, in the order of the table. */
  enum Sgd {
    DECAY(0),
    MOMENTUM(1),
    NEGATIVE_RATE(2);

    final int index;

    Sgd(int index) {
      this.index = index;
    }
  }

  /** Those of an AdamStep. */
  enum Adam {
    DECAY(0),
    BETA1(1),
    ONE_MINUS_BETA1(2),
    BETA2(3),
    ONE_MINUS_BETA2(4),
    UNBIAS(5),
    EPSILON(6),
    NEGATIVE_RATE(7),
    KEEP(8);

    final int index;

    Adam(int index) {
      this.index = index;
    }
  }

  /** Operands without the scalars. */
  static final int SGD_OPERANDS = 5;

  static final int ADAM_OPERANDS = 7;

  private static final int BITS = 512;
  private static final int BYTES = BITS / 8;
  private static final Reg TABLE = RDI;
  private static final Reg END = RSI;
  private static final Reg REST = RDX;
  private static final Reg AT = RAX;
  private static final List<Reg> ADDRESSES = List.of(RCX, R8, R9, R10, R11, RBX, RDI);
  private static final Mask MASK = new Mask(1);

  private static final Vec P = vec(0);
  private static final Vec G = vec(1);
  private static final Vec M = vec(2);
  private static final Vec V = vec(3);
  private static final Vec STEP = vec(4);
  private static final int FIRST_FACTOR = 8;

  private final Assembler asm = new Assembler();

  private static Vec vec(int number) {
    return Vec.of(number, BITS);
  }

  private static Vec factor(Sgd factor) {
    return vec(FIRST_FACTOR + factor.index);
  }

  private static Vec factor(Adam factor) {
    return vec(FIRST_FACTOR + factor.index);
  }

  /** {@link StepMath#sgd}. */
  Assembler sgd(boolean nesterov) {
    begin(SGD_OPERANDS, Sgd.values().length);
    loop(
        mask -> {
          load(P, 0, mask);
          load(G, 1, mask);
          load(V, 2, mask);
          asm.op(VFMADD231PS, G, P, factor(Sgd.DECAY));
          asm.op(VFMADD213PS, V, factor(Sgd.MOMENTUM), G);
          asm.op(VMOVUPS, STEP, nesterov ? G : V);
          if (nesterov) {
            asm.op(VFMADD231PS, STEP, V, factor(Sgd.MOMENTUM));
          }
          asm.op(VFMADD231PS, P, STEP, factor(Sgd.NEGATIVE_RATE));
          store(3, P, mask);
          store(4, V, mask);
        });
    return end();
  }

  /** {@link StepMath#adam}. */
  Assembler adam() {
    begin(ADAM_OPERANDS, Adam.values().length);
    loop(
        mask -> {
          load(P, 0, mask);
          load(G, 1, mask);
          load(M, 2, mask);
          load(V, 3, mask);
          asm.op(VFMADD231PS, G, P, factor(Adam.DECAY));
          asm.op(VMULPS, STEP, G, factor(Adam.ONE_MINUS_BETA1));
          asm.op(VFMADD213PS, M, factor(Adam.BETA1), STEP);
          asm.op(VMULPS, STEP, G, factor(Adam.ONE_MINUS_BETA2));
          asm.op(VMULPS, STEP, STEP, G);
          asm.op(VFMADD213PS, V, factor(Adam.BETA2), STEP);
          asm.op(VMULPS, STEP, V, factor(Adam.UNBIAS));
          asm.op(VSQRTPS, STEP, STEP);
          asm.op(VADDPS, STEP, STEP, factor(Adam.EPSILON));
          asm.op(VDIVPS, STEP, M, STEP);
          asm.op(VMULPS, P, P, factor(Adam.KEEP));
          asm.op(VFMADD231PS, P, STEP, factor(Adam.NEGATIVE_RATE));
          store(4, P, mask);
          store(5, M, mask);
          store(6, V, mask);
        });
    return end();
  }

  private void begin(int operands, int factors) {
    asm.push(RBX);
    for (int i = 0; i < factors; i++) {
      asm.op(VBROADCASTSS, vec(FIRST_FACTOR + i), Mem.at(TABLE, 8 * operands + 4 * i));
    }
    for (int i = 0; i < operands; i++) {
      asm.mov(ADDRESSES.get(i), Mem.at(TABLE, 8 * i)); // the table's own register is the last
    }
  }

  private interface Body {
    void write(Mask mask);
  }

  private void loop(Body body) {
    asm.sub(AT, AT);
    asm.loop(AT, END, BYTES, () -> body.write(Mask.ALL));
    asm.unlessZero(
        REST,
        () -> {
          asm.kmov(MASK, REST);
          body.write(MASK);
        });
  }

  private void load(Vec to, int operand, Mask mask) {
    Mem from = Mem.at(ADDRESSES.get(operand), AT, 1);
    asm.op(VMOVUPS, mask.equals(Mask.ALL) ? to : to.zeroed(mask), from);
  }

  private void store(int operand, Vec from, Mask mask) {
    asm.op(VMOVUPS, Mem.at(ADDRESSES.get(operand), AT, 1), from.masked(mask));
  }

  private Assembler end() {
    asm.vzeroupper();
    asm.pop(RBX);
    asm.ret();
    return asm;
  }
}
