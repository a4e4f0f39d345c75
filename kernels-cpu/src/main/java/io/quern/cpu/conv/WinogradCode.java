package io.quern.cpu.conv;

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
import static io.quern.cpu.asm.VectorOp.VFMADD231PS;
import static io.quern.cpu.asm.VectorOp.VMOVUPS;
import static io.quern.cpu.asm.VectorOp.VMULPS;
import static io.quern.cpu.asm.VectorOp.VSUBPS;
import static io.quern.cpu.conv.WinogradTransform.A1;
import static io.quern.cpu.conv.WinogradTransform.A2;
import static io.quern.cpu.conv.WinogradTransform.A3;
import static io.quern.cpu.conv.WinogradTransform.B1;
import static io.quern.cpu.conv.WinogradTransform.B2;
import static io.quern.cpu.conv.WinogradTransform.B3;
import static io.quern.cpu.conv.WinogradTransform.G0;
import static io.quern.cpu.conv.WinogradTransform.GA0;
import static io.quern.cpu.conv.WinogradTransform.GA1;
import static io.quern.cpu.conv.WinogradTransform.GA2;
import static io.quern.cpu.conv.WinogradTransform.GB0;
import static io.quern.cpu.conv.WinogradTransform.GB1;
import static io.quern.cpu.conv.WinogradTransform.GB2;
import static io.quern.cpu.conv.WinogradTransform.PRODUCT;
import static io.quern.cpu.conv.WinogradTransform.SUM;

import io.quern.cpu.asm.Assembler;
import io.quern.cpu.asm.Assembler.Condition;
import io.quern.cpu.asm.Label;
import io.quern.cpu.asm.Mask;
import io.quern.cpu.asm.Mem;
import io.quern.cpu.asm.Operand;
import io.quern.cpu.asm.Reg;
import io.quern.cpu.asm.Vec;
import java.util.List;

/**
 * Machine code of the methods of {@link WinogradTransform}, functions of the System V convention
 * with the same parameters, for vectors of 512 bits.
 */
final class WinogradCode {
  private static final int BITS = 512;
  private static final int BYTES = BITS / 8;
  private static final List<Reg> SAVED = List.of(RBX, RBP, R12, R13, R14, R15);

  private static final Vec LEAST = Vec.of(9, BITS);
  private static final Mask NOT_MORE = new Mask(1);

  /** Predicate of a comparison, false for NaN. */
  private static final int LESS_OR_EQUAL = 2;

  private static final Reg AT = RAX;
  private static final Reg BYTES_OF_GROUP = RBP;

  /** What is at addresses a step apart, from the place of the loop on. */
  private static final Reg PLACE = R12;

  private static final Reg STEP = R13;
  private static final Reg STEP3 = R14;
  private static final Reg STEP5 = R15;

  private final Assembler asm = new Assembler();
  private int constants;

  private static Vec vec(int number) {
    return Vec.of(number, BITS);
  }

  /** A parameter that does not fit into registers. */
  private static Mem stacked(int index) {
    return Mem.at(RSP, 8 * (SAVED.size() + 1 + index));
  }

  private static Mem at(Reg address) {
    return Mem.at(address, AT, 1);
  }

  private static Mem step(int index) {
    return switch (index) {
      case 0 -> Mem.at(PLACE);
      case 1 -> Mem.at(PLACE, STEP, 1);
      case 2 -> Mem.at(PLACE, STEP, 2);
      case 3 -> Mem.at(PLACE, STEP3, 1);
      case 4 -> Mem.at(PLACE, STEP, 4);
      case 5 -> Mem.at(PLACE, STEP5, 1);
      default -> throw new IllegalArgumentException("step " + index);
    };
  }

  /** A register with a number in all elements; the last registers are taken first. */
  private Vec number(float value) {
    Vec to = vec(31 - constants++);
    asm.op(VBROADCASTSS, to, asm.constant(value));
    return to;
  }

  /** {@link WinogradTransform#input}. */
  Assembler input() {
    Reg to = R10;
    SAVED.forEach(asm::push);
    asm.mov(to, stacked(1));
    asm.mov(STEP, stacked(2));
    steps();
    Vec product = number(PRODUCT);
    Vec minusSum = number(-SUM);
    Vec minusA2 = number(-A2);
    Vec minusB2 = number(-B2);
    Vec a1 = number(A1);
    Vec b1 = number(B1);
    Vec d1 = vec(0);
    Vec d2 = vec(1);
    Vec d3 = vec(2);
    Vec d4 = vec(3);
    Vec t = vec(4);
    List<Reg> from = List.of(RDI, RSI, RDX, RCX, R8, R9);
    groups(
        stacked(4),
        stacked(5),
        to,
        () -> {
          asm.op(VMOVUPS, d1, at(RSI));
          asm.op(VMOVUPS, d2, at(RDX));
          asm.op(VMOVUPS, d3, at(RCX));
          asm.op(VMOVUPS, d4, at(R8));
          fma(t, d2, minusSum, d4);
          asm.op(VFMADD231PS, t, product, at(RDI));
          asm.op(VMOVUPS, step(0), t);
          asm.op(VMOVUPS, t, at(R9));
          asm.op(VFMADD231PS, t, d3, minusSum);
          asm.op(VFMADD231PS, t, d1, product);
          asm.op(VMOVUPS, step(5), t);
          Vec even = vec(5);
          Vec odd = vec(6);
          fma(even, d2, minusB2, d4);
          fma(odd, d1, minusB2, d3);
          asm.op(VMULPS, odd, odd, a1);
          storePair(1, even, odd);
          fma(even, d2, minusA2, d4);
          fma(odd, d1, minusA2, d3);
          asm.op(VMULPS, odd, odd, b1);
          storePair(3, even, odd);
        },
        () -> {
          from.forEach(address -> asm.add(address, stacked(0)));
          asm.add(to, stacked(3));
        });
    return end();
  }

  /** {@link WinogradTransform#output}. */
  Assembler output() {
    Reg from = RDI;
    Reg bias = RCX;
    List<Reg> to = List.of(R8, R9, R10, R11);
    SAVED.forEach(asm::push);
    asm.mov(STEP, RSI);
    asm.mov(R10, stacked(0));
    asm.mov(R11, stacked(1));
    steps();
    Vec a1 = number(A1);
    Vec a2 = number(A2);
    Vec a3 = number(A3);
    Vec b1 = number(B1);
    Vec b2 = number(B2);
    Vec b3 = number(B3);
    Vec evenA = vec(0);
    Vec oddA = vec(1);
    Vec evenB = vec(2);
    Vec oddB = vec(3);
    Vec add = vec(4);
    Vec z = vec(5);
    asm.op(VBROADCASTSS, LEAST, stacked(5));
    groups(
        stacked(3),
        stacked(4),
        from,
        () -> {
          loadPair(1, evenA, oddA);
          loadPair(3, evenB, oddB);
          asm.op(VMOVUPS, add, at(bias));
          asm.op(VADDPS, z, evenA, step(0));
          asm.op(VADDPS, z, z, evenB);
          store(z, add, to.get(0));
          asm.op(VMULPS, z, oddB, b1);
          asm.op(VFMADD231PS, z, oddA, a1);
          store(z, add, to.get(1));
          asm.op(VMULPS, z, evenB, b2);
          asm.op(VFMADD231PS, z, evenA, a2);
          store(z, add, to.get(2));
          fma(z, oddB, b3, step(5));
          asm.op(VFMADD231PS, z, oddA, a3);
          store(z, add, to.get(3));
        },
        () -> {
          asm.add(from, RDX);
          to.forEach(address -> asm.add(address, stacked(2)));
        });
    return end();
  }

  /** {@link WinogradTransform#gradient}. */
  Assembler gradient() {
    List<Reg> from = List.of(RDI, RSI, RDX, RCX);
    Reg to = R9;
    SAVED.forEach(asm::push);
    asm.mov(STEP, stacked(0));
    steps();
    Vec a1 = number(A1);
    Vec a2 = number(A2);
    Vec a3 = number(A3);
    Vec b1 = number(B1);
    Vec b2 = number(B2);
    Vec b3 = number(B3);
    Vec even = vec(4);
    Vec odd = vec(5);
    groups(
        stacked(2),
        stacked(3),
        to,
        () -> {
          for (int i = 0; i < 4; i++) {
            asm.op(VMOVUPS, vec(i), at(from.get(i)));
          }
          asm.op(VMOVUPS, step(0), vec(0));
          asm.op(VMOVUPS, step(5), vec(3));
          fma(even, vec(2), a2, vec(0));
          asm.op(VMULPS, odd, vec(1), a1);
          asm.op(VFMADD231PS, odd, vec(3), a3);
          storePair(1, even, odd);
          fma(even, vec(2), b2, vec(0));
          asm.op(VMULPS, odd, vec(1), b1);
          asm.op(VFMADD231PS, odd, vec(3), b3);
          storePair(3, even, odd);
        },
        () -> {
          from.forEach(address -> asm.add(address, R8));
          asm.add(to, stacked(1));
        });
    return end();
  }

  /** {@link WinogradTransform#weights}; all points of columns are in registers. */
  Assembler weights() {
    Reg from = RDI;
    Reg tap = RSI;
    Reg to = RCX;
    Reg tap3 = R10;
    Reg step6 = R11;
    SAVED.forEach(asm::push);
    asm.mov(STEP, R8);
    steps();
    asm.lea(tap3, Mem.at(tap, tap, 2));
    asm.lea(step6, Mem.at(STEP3, STEP3, 1));
    Factors k = new Factors();
    groups(
        stacked(0),
        stacked(1),
        to,
        () -> {
          Reg column = R8;
          asm.lea(column, at(from));
          for (int x = 0; x < 3; x++) {
            Vec g0 = vec(18);
            Vec g1 = vec(19);
            Vec g2 = vec(15 + x);
            asm.op(VMOVUPS, g0, Mem.at(column));
            asm.op(VMOVUPS, g1, Mem.at(column, tap3, 1));
            asm.op(VMOVUPS, g2, Mem.at(column, tap3, 2));
            asm.add(column, tap);
            sixPoints(
                k, g0, g1, g2, List.of(vec(x), vec(3 + x), vec(6 + x), vec(9 + x), vec(12 + x)));
          }
          List<Vec> points = List.of(vec(18), vec(19), vec(20), vec(21), vec(22));
          for (int y = 0; y < 6; y++) {
            Vec g2 = vec(3 * y + 2);
            sixPoints(k, vec(3 * y), vec(3 * y + 1), g2, points);
            for (int x = 0; x < 5; x++) {
              asm.op(VMOVUPS, step(x), points.get(x));
            }
            asm.op(VMOVUPS, step(5), g2);
            asm.add(PLACE, step6);
          }
        },
        () -> {
          asm.add(from, RDX);
          asm.add(to, R9);
        });
    return end();
  }

  /** Factors of weights. */
  private final class Factors {
    final Vec k0 = number(G0);
    final Vec ka0 = number(GA0);
    final Vec ka1 = number(GA1);
    final Vec ka2 = number(GA2);
    final Vec kb0 = number(GB0);
    final Vec kb1 = number(GB1);
    final Vec kb2 = number(GB2);
  }

  /** Three weights to the first five of six points; the last one is the last weight. */
  private void sixPoints(Factors k, Vec g0, Vec g1, Vec g2, List<Vec> to) {
    Vec even = vec(23);
    Vec odd = vec(24);
    asm.op(VMULPS, even, g0, k.ka0);
    asm.op(VFMADD231PS, even, g2, k.ka2);
    asm.op(VMULPS, odd, g1, k.ka1);
    asm.op(VADDPS, to.get(1), even, odd);
    asm.op(VSUBPS, to.get(2), even, odd);
    asm.op(VMULPS, even, g0, k.kb0);
    asm.op(VFMADD231PS, even, g2, k.kb2);
    asm.op(VMULPS, odd, g1, k.kb1);
    asm.op(VADDPS, to.get(3), even, odd);
    asm.op(VSUBPS, to.get(4), even, odd);
    asm.op(VMULPS, to.get(0), g0, k.k0);
  }

  /** {@link WinogradTransform#weightGrad}. */
  Assembler weightGrad() {
    Reg from = RDI;
    Reg to = RDX;
    Reg toStep = RCX;
    SAVED.forEach(asm::push);
    asm.mov(STEP, RSI);
    steps();
    Factors k = new Factors();
    Vec evenA = vec(0);
    Vec oddA = vec(1);
    Vec evenB = vec(2);
    Vec oddB = vec(3);
    Vec g = vec(5);
    asm.mov(BYTES_OF_GROUP, R8);
    vectors(
        from,
        () -> {
          loadPair(1, evenA, oddA);
          loadPair(3, evenB, oddB);
          asm.op(VMULPS, g, k.k0, step(0));
          asm.op(VFMADD231PS, g, evenB, k.kb0);
          asm.op(VFMADD231PS, g, evenA, k.ka0);
          asm.op(VMOVUPS, at(to), g);
          asm.lea(R10, at(to));
          asm.op(VMULPS, g, oddB, k.kb1);
          asm.op(VFMADD231PS, g, oddA, k.ka1);
          asm.op(VMOVUPS, Mem.at(R10, toStep, 1), g);
          fma(g, evenB, k.kb2, step(5));
          asm.op(VFMADD231PS, g, evenA, k.ka2);
          asm.op(VMOVUPS, Mem.at(R10, toStep, 2), g);
        });
    return end();
  }

  private void steps() {
    asm.lea(STEP3, Mem.at(STEP, STEP, 2));
    asm.lea(STEP5, Mem.at(STEP, STEP, 4));
  }

  /** {@code to = x * y + z}. */
  private void fma(Vec to, Vec x, Vec y, Operand z) {
    asm.op(VMOVUPS, to, z);
    asm.op(VFMADD231PS, to, x, y);
  }

  /** The sum and the difference of what is at two steps. */
  private void loadPair(int first, Vec sum, Vec difference) {
    Vec loaded = vec(6);
    asm.op(VMOVUPS, loaded, step(first));
    asm.op(VADDPS, sum, loaded, step(first + 1));
    asm.op(VSUBPS, difference, loaded, step(first + 1));
  }

  private void storePair(int first, Vec even, Vec odd) {
    Vec sum = vec(7);
    Vec difference = vec(8);
    asm.op(VADDPS, sum, even, odd);
    asm.op(VSUBPS, difference, even, odd);
    asm.op(VMOVUPS, step(first), sum);
    asm.op(VMOVUPS, step(first + 1), difference);
  }

  private void store(Vec value, Vec add, Reg to) {
    asm.op(VADDPS, value, value, add);
    asm.compare(NOT_MORE, value, LEAST, LESS_OR_EQUAL);
    asm.op(VMOVUPS, value.masked(NOT_MORE), LEAST);
    asm.op(VMOVUPS, at(to), value);
  }

  /**
   * A loop over groups and the vectors of each.
   *
   * @param stepped what is at addresses a step apart
   */
  private void groups(Mem count, Mem bytes, Reg stepped, Runnable body, Runnable advance) {
    Reg left = RBX;
    Label done = asm.label();
    asm.mov(BYTES_OF_GROUP, bytes);
    asm.mov32(left, count);
    asm.test(left, left);
    asm.jump(Condition.E, done);
    Label next = asm.here();
    vectors(stepped, body);
    advance.run();
    asm.sub(left, 1);
    asm.jump(Condition.NE, next);
    asm.bind(done);
  }

  private void vectors(Reg stepped, Runnable body) {
    asm.sub(AT, AT);
    asm.align(32);
    Label next = asm.here();
    asm.lea(PLACE, at(stepped));
    body.run();
    asm.add(AT, BYTES);
    asm.cmp(AT, BYTES_OF_GROUP);
    asm.jump(Condition.B, next);
  }

  private Assembler end() {
    asm.vzeroupper();
    SAVED.reversed().forEach(asm::pop);
    asm.ret();
    return asm;
  }
}
