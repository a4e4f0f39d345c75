package io.quern.cpu.elementwise;

import static io.quern.cpu.Simd.BYTES;
import static io.quern.cpu.Simd.F32;
import static io.quern.runtime.Raw.ALL;
import static io.quern.runtime.Raw.ORDER;

import io.quern.cpu.math.VectorMath;
import io.quern.op.Unary;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import jdk.incubator.vector.FloatVector;

/** Template of the vector loops of {@link Unary}. */
final class VectorUnaryF32 implements Loop {
  private static final Unary.Fn FN = Specialised.constant(MethodHandles.lookup(), Unary.Fn.class);

  static Loop of(Unary.Fn fn) {
    return (Loop) Specialised.copy(MethodHandles.lookup(), fn);
  }

  /** The function on one vector, for generated loops. */
  static MethodHandle function(Unary.Fn fn) {
    return Specialised.method(
        MethodHandles.lookup(),
        fn,
        "apply",
        MethodType.methodType(FloatVector.class, FloatVector.class));
  }

  @Override
  public void run(long a, long b, long c, long out, long n) {
    long bytes = 4 * n;
    long at = 0;
    for (; at + BYTES <= bytes; at += BYTES) {
      apply(FloatVector.fromMemorySegment(F32, ALL, a + at, ORDER))
          .intoMemorySegment(ALL, out + at, ORDER);
    }
    if (at < bytes) {
      var mask = F32.indexInRange(0, (bytes - at) / 4);
      apply(FloatVector.fromMemorySegment(F32, ALL, a + at, ORDER, mask))
          .intoMemorySegment(ALL, out + at, ORDER, mask);
    }
  }

  private static FloatVector apply(FloatVector x) {
    if (FN == Unary.Fn.NEG) {
      return x.neg();
    }
    if (FN == Unary.Fn.ABS) {
      return x.abs();
    }
    if (FN == Unary.Fn.SQUARE) {
      return x.mul(x);
    }
    if (FN == Unary.Fn.RELU) {
      return x.max(0);
    }
    if (FN == Unary.Fn.SQRT) {
      return x.sqrt();
    }
    if (FN == Unary.Fn.RSQRT) {
      return FloatVector.broadcast(F32, 1).div(x.sqrt());
    }
    if (FN == Unary.Fn.RECIPROCAL) {
      return FloatVector.broadcast(F32, 1).div(x);
    }
    return function(x);
  }

  private static FloatVector function(FloatVector x) {
    if (FN == Unary.Fn.EXP) {
      return VectorMath.exp(x);
    }
    if (FN == Unary.Fn.LOG) {
      return VectorMath.log(x);
    }
    if (FN == Unary.Fn.SIN) {
      return VectorMath.sin(x);
    }
    if (FN == Unary.Fn.COS) {
      return VectorMath.cos(x);
    }
    if (FN == Unary.Fn.TANH) {
      return VectorMath.tanh(x);
    }
    if (FN == Unary.Fn.SIGMOID) {
      return VectorMath.sigmoid(x);
    }
    if (FN == Unary.Fn.ERF) {
      return VectorMath.erf(x);
    }
    if (FN == Unary.Fn.GELU) {
      return VectorMath.gelu(x);
    }
    if (FN == Unary.Fn.SILU) {
      return VectorMath.silu(x);
    }
    if (FN == Unary.Fn.SOFTPLUS) {
      return VectorMath.softplus(x);
    }
    if (FN == Unary.Fn.SOFTSIGN) {
      return x.div(x.abs().add(1));
    }
    return rounding(x);
  }

  private static FloatVector rounding(FloatVector x) {
    if (FN == Unary.Fn.SIGN) {
      return VectorMath.sign(x);
    }
    if (FN == Unary.Fn.FLOOR) {
      return VectorMath.floor(x);
    }
    if (FN == Unary.Fn.CEIL) {
      return VectorMath.ceil(x);
    }
    if (FN == Unary.Fn.ROUND) {
      return VectorMath.rint(x);
    }
    if (FN == Unary.Fn.NAN_MASK) {
      return VectorMath.nanMask(x);
    }
    throw new IllegalStateException("no vector loop for " + FN);
  }
}
