package io.quern.cpu.optim;

import static io.quern.cpu.Simd.BYTES;
import static io.quern.cpu.Simd.F32;
import static io.quern.cpu.Simd.LANES;
import static io.quern.runtime.Raw.ALL;
import static io.quern.runtime.Raw.ORDER;

import io.quern.backend.Operands;
import io.quern.op.AdamStep;
import io.quern.op.SgdStep;
import io.quern.runtime.Raw;
import jdk.incubator.vector.FloatVector;

/** The steps by vectors; what is left over goes to the scalar twin. */
final class VectorStepMath extends StepMath {
  private final ScalarStepMath rest = new ScalarStepMath();

  @Override
  void sgd(SgdStep op, Operands o, long first, long n) {
    FloatVector decay = FloatVector.broadcast(F32, (float) op.weightDecay());
    FloatVector momentum = FloatVector.broadcast(F32, (float) op.momentum());
    FloatVector negativeRate = FloatVector.broadcast(F32, -Raw.getFloat(o.address(3)));
    var nesterov = F32.maskAll(op.nesterov());
    long p0 = o.address(0);
    long g0 = o.address(1);
    long v0 = o.address(2);
    long pOut = o.address(4);
    long vOut = o.address(5);
    long whole = n / LANES * LANES;
    for (long i = 4 * first; i < 4 * (first + whole); i += BYTES) {
      FloatVector p = FloatVector.fromMemorySegment(F32, ALL, p0 + i, ORDER);
      FloatVector g = decay.fma(p, FloatVector.fromMemorySegment(F32, ALL, g0 + i, ORDER));
      FloatVector v = momentum.fma(FloatVector.fromMemorySegment(F32, ALL, v0 + i, ORDER), g);
      FloatVector step = v.blend(momentum.fma(v, g), nesterov);
      negativeRate.fma(step, p).intoMemorySegment(ALL, pOut + i, ORDER);
      v.intoMemorySegment(ALL, vOut + i, ORDER);
    }
    rest.sgd(op, o, first + whole, n - whole);
  }

  @Override
  void adam(AdamStep op, Operands o, long first, long n) {
    FloatVector decay = FloatVector.broadcast(F32, decay(op));
    FloatVector beta1 = FloatVector.broadcast(F32, (float) op.beta1());
    FloatVector beta2 = FloatVector.broadcast(F32, (float) op.beta2());
    FloatVector negativeRate = FloatVector.broadcast(F32, -rate(o));
    float oneMinusBeta1 = (float) (1 - op.beta1());
    float oneMinusBeta2 = (float) (1 - op.beta2());
    float epsilon = (float) op.epsilon();
    float keep = keep(op, o);
    float unbias = unbias(o);
    long p0 = o.address(0);
    long g0 = o.address(1);
    long m0 = o.address(2);
    long v0 = o.address(3);
    long pOut = o.address(5);
    long mOut = o.address(6);
    long vOut = o.address(7);
    long whole = n / LANES * LANES;
    for (long i = 4 * first; i < 4 * (first + whole); i += BYTES) {
      FloatVector p = FloatVector.fromMemorySegment(F32, ALL, p0 + i, ORDER);
      FloatVector g = decay.fma(p, FloatVector.fromMemorySegment(F32, ALL, g0 + i, ORDER));
      FloatVector m =
          beta1.fma(FloatVector.fromMemorySegment(F32, ALL, m0 + i, ORDER), g.mul(oneMinusBeta1));
      FloatVector v =
          beta2.fma(
              FloatVector.fromMemorySegment(F32, ALL, v0 + i, ORDER), g.mul(oneMinusBeta2).mul(g));
      FloatVector root = v.mul(unbias).sqrt().add(epsilon);
      negativeRate.fma(m.div(root), p.mul(keep)).intoMemorySegment(ALL, pOut + i, ORDER);
      m.intoMemorySegment(ALL, mOut + i, ORDER);
      v.intoMemorySegment(ALL, vOut + i, ORDER);
    }
    rest.adam(op, o, first + whole, n - whole);
  }
}
