package io.quern.cpu.elementwise;

import static io.quern.cpu.Simd.BYTES;
import static io.quern.cpu.Simd.F32;
import static io.quern.runtime.Raw.ALL;
import static io.quern.runtime.Raw.ORDER;

import io.quern.op.Binary;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/** Template of the vector loops of {@link Binary}. */
final class VectorBinaryF32 implements Loop {
  private static final Binary.Fn FN = Specialised.constant(MethodHandles.lookup(), Binary.Fn.class);

  static Loop of(Binary.Fn fn) {
    return (Loop) Specialised.copy(MethodHandles.lookup(), fn);
  }

  /** The function on one vector of each side, for generated loops. */
  static MethodHandle function(Binary.Fn fn) {
    return Specialised.method(
        MethodHandles.lookup(),
        fn,
        "apply",
        MethodType.methodType(FloatVector.class, FloatVector.class, FloatVector.class));
  }

  @Override
  public void run(long a, long b, long c, long out, long n) {
    long bytes = 4 * n;
    long at = 0;
    for (; at + BYTES <= bytes; at += BYTES) {
      apply(
              FloatVector.fromMemorySegment(F32, ALL, a + at, ORDER),
              FloatVector.fromMemorySegment(F32, ALL, b + at, ORDER))
          .intoMemorySegment(ALL, out + at, ORDER);
    }
    if (at < bytes) {
      var mask = F32.indexInRange(0, (bytes - at) / 4);
      apply(
              FloatVector.fromMemorySegment(F32, ALL, a + at, ORDER, mask),
              FloatVector.fromMemorySegment(F32, ALL, b + at, ORDER, mask))
          .intoMemorySegment(ALL, out + at, ORDER, mask);
    }
  }

  private static FloatVector apply(FloatVector x, FloatVector y) {
    if (FN == Binary.Fn.ADD) {
      return x.add(y);
    }
    if (FN == Binary.Fn.SUB) {
      return x.sub(y);
    }
    if (FN == Binary.Fn.MUL) {
      return x.mul(y);
    }
    if (FN == Binary.Fn.DIV) {
      return x.div(y);
    }
    if (FN == Binary.Fn.MIN) {
      return x.min(y);
    }
    if (FN == Binary.Fn.MAX) {
      return x.max(y);
    }
    if (FN == Binary.Fn.GATE) {
      return FloatVector.zero(F32).blend(x, y.compare(VectorOperators.GT, 0));
    }
    throw new IllegalStateException("no vector loop for " + FN);
  }
}
