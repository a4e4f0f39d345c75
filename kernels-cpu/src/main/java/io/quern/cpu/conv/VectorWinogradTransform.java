package io.quern.cpu.conv;

import static io.quern.cpu.Simd.BYTES;
import static io.quern.cpu.Simd.F32;
import static io.quern.runtime.Raw.ALL;
import static io.quern.runtime.Raw.ORDER;

import io.quern.runtime.Raw;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/** By vectors of channels; one loop goes over all groups, since a group is only a few vectors. */
final class VectorWinogradTransform extends WinogradTransform {
  @Override
  void input(
      long x0,
      long x1,
      long x2,
      long x3,
      long x4,
      long x5,
      long next,
      long to,
      long step,
      long toNext,
      int count,
      long bytes) {
    step = Raw.inRange(step);
    FloatVector minusA2 = FloatVector.broadcast(F32, -A2);
    FloatVector minusB2 = FloatVector.broadcast(F32, -B2);
    FloatVector minusSum = FloatVector.broadcast(F32, -SUM);
    FloatVector a1 = FloatVector.broadcast(F32, A1);
    FloatVector b1 = FloatVector.broadcast(F32, B1);
    FloatVector product = FloatVector.broadcast(F32, PRODUCT);
    long at = 0;
    for (long i = count * (bytes / BYTES); i > 0; i--) {
      long x1At = Raw.inRange(x1 + at);
      long x2At = Raw.inRange(x2 + at);
      long x3At = Raw.inRange(x3 + at);
      long x4At = Raw.inRange(x4 + at);
      long x0At = Raw.inRange(x0 + at);
      long x5At = Raw.inRange(x5 + at);
      long toAt = Raw.inRange(to + at);
      FloatVector d1 = FloatVector.fromMemorySegment(F32, ALL, x1At, ORDER);
      FloatVector d2 = FloatVector.fromMemorySegment(F32, ALL, x2At, ORDER);
      FloatVector d3 = FloatVector.fromMemorySegment(F32, ALL, x3At, ORDER);
      FloatVector d4 = FloatVector.fromMemorySegment(F32, ALL, x4At, ORDER);
      FloatVector t0 =
          FloatVector.fromMemorySegment(F32, ALL, x0At, ORDER).fma(product, d2.fma(minusSum, d4));
      FloatVector t5 =
          d1.fma(product, d3.fma(minusSum, FloatVector.fromMemorySegment(F32, ALL, x5At, ORDER)));
      FloatVector evenA = d2.fma(minusB2, d4);
      FloatVector oddA = d1.fma(minusB2, d3).mul(a1);
      FloatVector evenB = d2.fma(minusA2, d4);
      FloatVector oddB = d1.fma(minusA2, d3).mul(b1);
      t0.intoMemorySegment(ALL, toAt, ORDER);
      evenA.add(oddA).intoMemorySegment(ALL, toAt + step, ORDER);
      evenA.sub(oddA).intoMemorySegment(ALL, toAt + 2 * step, ORDER);
      evenB.add(oddB).intoMemorySegment(ALL, toAt + 3 * step, ORDER);
      evenB.sub(oddB).intoMemorySegment(ALL, toAt + 4 * step, ORDER);
      t5.intoMemorySegment(ALL, toAt + 5 * step, ORDER);
      at += BYTES;
      if (at == bytes) {
        at = 0;
        x0 += next;
        x1 += next;
        x2 += next;
        x3 += next;
        x4 += next;
        x5 += next;
        to += toNext;
      }
    }
  }

  @Override
  void output(
      long from,
      long step,
      long next,
      long bias,
      long y0,
      long y1,
      long y2,
      long y3,
      long toNext,
      int count,
      long bytes,
      float least) {
    step = Raw.inRange(step);
    FloatVector a1 = FloatVector.broadcast(F32, A1);
    FloatVector a2 = FloatVector.broadcast(F32, A2);
    FloatVector a3 = FloatVector.broadcast(F32, A3);
    FloatVector b1 = FloatVector.broadcast(F32, B1);
    FloatVector b2 = FloatVector.broadcast(F32, B2);
    FloatVector b3 = FloatVector.broadcast(F32, B3);
    long at = 0;
    for (long i = count * (bytes / BYTES); i > 0; i--) {
      long fromAt = Raw.inRange(from + at);
      long biasAt = Raw.inRange(bias + at);
      long y0At = Raw.inRange(y0 + at);
      long y1At = Raw.inRange(y1 + at);
      long y2At = Raw.inRange(y2 + at);
      long y3At = Raw.inRange(y3 + at);
      FloatVector m1 = FloatVector.fromMemorySegment(F32, ALL, fromAt + step, ORDER);
      FloatVector m2 = FloatVector.fromMemorySegment(F32, ALL, fromAt + 2 * step, ORDER);
      FloatVector m3 = FloatVector.fromMemorySegment(F32, ALL, fromAt + 3 * step, ORDER);
      FloatVector m4 = FloatVector.fromMemorySegment(F32, ALL, fromAt + 4 * step, ORDER);
      FloatVector add = FloatVector.fromMemorySegment(F32, ALL, biasAt, ORDER);
      FloatVector evenA = m1.add(m2);
      FloatVector oddA = m1.sub(m2);
      FloatVector evenB = m3.add(m4);
      FloatVector oddB = m3.sub(m4);
      FloatVector z0 = FloatVector.fromMemorySegment(F32, ALL, fromAt, ORDER).add(evenA).add(evenB);
      FloatVector z1 = oddA.fma(a1, oddB.mul(b1));
      FloatVector z2 = evenA.fma(a2, evenB.mul(b2));
      FloatVector z3 =
          oddA.fma(
              a3, oddB.fma(b3, FloatVector.fromMemorySegment(F32, ALL, fromAt + 5 * step, ORDER)));
      atLeast(z0.add(add), least).intoMemorySegment(ALL, y0At, ORDER);
      atLeast(z1.add(add), least).intoMemorySegment(ALL, y1At, ORDER);
      atLeast(z2.add(add), least).intoMemorySegment(ALL, y2At, ORDER);
      atLeast(z3.add(add), least).intoMemorySegment(ALL, y3At, ORDER);
      at += BYTES;
      if (at == bytes) {
        at = 0;
        from += next;
        y0 += toNext;
        y1 += toNext;
        y2 += toNext;
        y3 += toNext;
      }
    }
  }

  private static FloatVector atLeast(FloatVector y, float least) {
    return y.blend(least, y.compare(VectorOperators.LE, least));
  }

  @Override
  void gradient(
      long y0,
      long y1,
      long y2,
      long y3,
      long next,
      long to,
      long step,
      long toNext,
      int count,
      long bytes) {
    step = Raw.inRange(step);
    FloatVector a1 = FloatVector.broadcast(F32, A1);
    FloatVector a2 = FloatVector.broadcast(F32, A2);
    FloatVector a3 = FloatVector.broadcast(F32, A3);
    FloatVector b1 = FloatVector.broadcast(F32, B1);
    FloatVector b2 = FloatVector.broadcast(F32, B2);
    FloatVector b3 = FloatVector.broadcast(F32, B3);
    long at = 0;
    for (long i = count * (bytes / BYTES); i > 0; i--) {
      long y0At = Raw.inRange(y0 + at);
      long y1At = Raw.inRange(y1 + at);
      long y2At = Raw.inRange(y2 + at);
      long y3At = Raw.inRange(y3 + at);
      long toAt = Raw.inRange(to + at);
      FloatVector g0 = FloatVector.fromMemorySegment(F32, ALL, y0At, ORDER);
      FloatVector g1 = FloatVector.fromMemorySegment(F32, ALL, y1At, ORDER);
      FloatVector g2 = FloatVector.fromMemorySegment(F32, ALL, y2At, ORDER);
      FloatVector g3 = FloatVector.fromMemorySegment(F32, ALL, y3At, ORDER);
      FloatVector evenA = g2.fma(a2, g0);
      FloatVector oddA = g3.fma(a3, g1.mul(a1));
      FloatVector evenB = g2.fma(b2, g0);
      FloatVector oddB = g3.fma(b3, g1.mul(b1));
      g0.intoMemorySegment(ALL, toAt, ORDER);
      evenA.add(oddA).intoMemorySegment(ALL, toAt + step, ORDER);
      evenA.sub(oddA).intoMemorySegment(ALL, toAt + 2 * step, ORDER);
      evenB.add(oddB).intoMemorySegment(ALL, toAt + 3 * step, ORDER);
      evenB.sub(oddB).intoMemorySegment(ALL, toAt + 4 * step, ORDER);
      g3.intoMemorySegment(ALL, toAt + 5 * step, ORDER);
      at += BYTES;
      if (at == bytes) {
        at = 0;
        y0 += next;
        y1 += next;
        y2 += next;
        y3 += next;
        to += toNext;
      }
    }
  }

  @Override
  void weights(
      long from, long tap, long next, long to, long step, long toNext, int count, long bytes) {
    for (int i = 0; i < count; i++) {
      for (long at = 0; at < bytes; at += BYTES) {
        for (int x = 0; x < 3; x++) {
          sixPoints(from + at + x * tap, 3 * tap, to + at + x * step, 6 * step);
        }
        for (int y = 0; y < 6; y++) {
          long row = to + at + 6L * y * step;
          sixPoints(row, step, row, step);
        }
      }
      from += next;
      to += toNext;
    }
  }

  private static void sixPoints(long from, long fromStep, long to, long step) {
    long at0 = Raw.inRange(from);
    long at1 = Raw.inRange(from + fromStep);
    long at2 = Raw.inRange(from + 2 * fromStep);
    long toAt = Raw.inRange(to);
    step = Raw.inRange(step);
    FloatVector g0 = FloatVector.fromMemorySegment(F32, ALL, at0, ORDER);
    FloatVector g1 = FloatVector.fromMemorySegment(F32, ALL, at1, ORDER);
    FloatVector g2 = FloatVector.fromMemorySegment(F32, ALL, at2, ORDER);
    FloatVector evenA = g2.fma(FloatVector.broadcast(F32, GA2), g0.mul(GA0));
    FloatVector oddA = g1.mul(GA1);
    FloatVector evenB = g2.fma(FloatVector.broadcast(F32, GB2), g0.mul(GB0));
    FloatVector oddB = g1.mul(GB1);
    g0.mul(G0).intoMemorySegment(ALL, toAt, ORDER);
    evenA.add(oddA).intoMemorySegment(ALL, toAt + step, ORDER);
    evenA.sub(oddA).intoMemorySegment(ALL, toAt + 2 * step, ORDER);
    evenB.add(oddB).intoMemorySegment(ALL, toAt + 3 * step, ORDER);
    evenB.sub(oddB).intoMemorySegment(ALL, toAt + 4 * step, ORDER);
    g2.intoMemorySegment(ALL, toAt + 5 * step, ORDER);
  }

  @Override
  void weightGrad(long from, long step, long to, long toStep, long bytes) {
    step = Raw.inRange(step);
    FloatVector k0 = FloatVector.broadcast(F32, G0);
    FloatVector ka0 = FloatVector.broadcast(F32, GA0);
    FloatVector ka1 = FloatVector.broadcast(F32, GA1);
    FloatVector ka2 = FloatVector.broadcast(F32, GA2);
    FloatVector kb0 = FloatVector.broadcast(F32, GB0);
    FloatVector kb1 = FloatVector.broadcast(F32, GB1);
    FloatVector kb2 = FloatVector.broadcast(F32, GB2);
    for (long at = 0; at < bytes; at += BYTES) {
      long fromAt = Raw.inRange(from + at);
      long toAt = Raw.inRange(to + at);
      FloatVector r1 = FloatVector.fromMemorySegment(F32, ALL, fromAt + step, ORDER);
      FloatVector r2 = FloatVector.fromMemorySegment(F32, ALL, fromAt + 2 * step, ORDER);
      FloatVector r3 = FloatVector.fromMemorySegment(F32, ALL, fromAt + 3 * step, ORDER);
      FloatVector r4 = FloatVector.fromMemorySegment(F32, ALL, fromAt + 4 * step, ORDER);
      FloatVector evenA = r1.add(r2);
      FloatVector oddA = r1.sub(r2);
      FloatVector evenB = r3.add(r4);
      FloatVector oddB = r3.sub(r4);
      FloatVector g0 =
          evenA.fma(
              ka0, evenB.fma(kb0, FloatVector.fromMemorySegment(F32, ALL, fromAt, ORDER).mul(k0)));
      FloatVector g1 = oddA.fma(ka1, oddB.mul(kb1));
      FloatVector g2 =
          evenA.fma(
              ka2,
              evenB.fma(kb2, FloatVector.fromMemorySegment(F32, ALL, fromAt + 5 * step, ORDER)));
      g0.intoMemorySegment(ALL, toAt, ORDER);
      g1.intoMemorySegment(ALL, toAt + toStep, ORDER);
      g2.intoMemorySegment(ALL, toAt + 2 * toStep, ORDER);
    }
  }
}
