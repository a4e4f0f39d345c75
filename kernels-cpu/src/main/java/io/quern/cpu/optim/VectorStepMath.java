package io.quern.cpu.optim;

import static io.quern.cpu.Simd.BYTES;
import static io.quern.cpu.Simd.F32;
import static io.quern.cpu.Simd.LANES;
import static io.quern.runtime.Raw.ALL;
import static io.quern.runtime.Raw.ORDER;

import jdk.incubator.vector.FloatVector;

/** The steps by vectors; what is left over goes to the scalar twin. */
final class VectorStepMath extends StepMath {
  private final ScalarStepMath rest = new ScalarStepMath();

  @Override
  void sgd(Sgd a, SgdFactors f, long n) {
    FloatVector decay = FloatVector.broadcast(F32, f.decay());
    FloatVector momentum = FloatVector.broadcast(F32, f.momentum());
    FloatVector negativeRate = FloatVector.broadcast(F32, -f.lr());

    var nesterov = F32.maskAll(f.nesterov());
    long whole = n / LANES * LANES;
    for (long i = 0; i < 4 * whole; i += BYTES) {
      FloatVector p = FloatVector.fromMemorySegment(F32, ALL, a.p() + i, ORDER);
      FloatVector g = decay.fma(p, FloatVector.fromMemorySegment(F32, ALL, a.g() + i, ORDER));
      FloatVector v = momentum.fma(FloatVector.fromMemorySegment(F32, ALL, a.v() + i, ORDER), g);
      FloatVector step = v.blend(momentum.fma(v, g), nesterov);
      negativeRate.fma(step, p).intoMemorySegment(ALL, a.pOut() + i, ORDER);
      v.intoMemorySegment(ALL, a.vOut() + i, ORDER);
    }
    rest.sgd(a.at(4 * whole), f, n - whole);
  }

  @Override
  void adam(Adam a, AdamFactors f, long n) {
    FloatVector decay = FloatVector.broadcast(F32, f.decay());
    FloatVector beta1 = FloatVector.broadcast(F32, f.beta1());
    FloatVector beta2 = FloatVector.broadcast(F32, f.beta2());
    FloatVector negativeRate = FloatVector.broadcast(F32, -f.rate());
    long whole = n / LANES * LANES;
    for (long i = 0; i < 4 * whole; i += BYTES) {
      FloatVector p = FloatVector.fromMemorySegment(F32, ALL, a.p() + i, ORDER);
      FloatVector g = decay.fma(p, FloatVector.fromMemorySegment(F32, ALL, a.g() + i, ORDER));
      FloatVector m =
          beta1.fma(
              FloatVector.fromMemorySegment(F32, ALL, a.m() + i, ORDER), g.mul(f.oneMinusBeta1()));
      FloatVector v =
          beta2.fma(
              FloatVector.fromMemorySegment(F32, ALL, a.v() + i, ORDER),
              g.mul(f.oneMinusBeta2()).mul(g));
      FloatVector root = v.mul(f.unbias()).sqrt().add(f.epsilon());
      negativeRate.fma(m.div(root), p.mul(f.keep())).intoMemorySegment(ALL, a.pOut() + i, ORDER);
      m.intoMemorySegment(ALL, a.mOut() + i, ORDER);
      v.intoMemorySegment(ALL, a.vOut() + i, ORDER);
    }
    rest.adam(a.at(4 * whole), f, n - whole);
  }
}
