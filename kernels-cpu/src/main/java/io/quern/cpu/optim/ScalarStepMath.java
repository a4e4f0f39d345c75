package io.quern.cpu.optim;

import io.quern.runtime.Raw;

/** The twin without vectors. */
final class ScalarStepMath extends StepMath {
  @Override
  void sgd(Sgd a, SgdFactors f, long n) {
    for (long i = 0; i < 4 * n; i += 4) {
      float p = Raw.getFloat(a.p() + i);
      float g = Math.fma(f.decay(), p, Raw.getFloat(a.g() + i));
      float v = Math.fma(f.momentum(), Raw.getFloat(a.v() + i), g);
      float step = f.nesterov() ? Math.fma(f.momentum(), v, g) : v;
      Raw.putFloat(a.pOut() + i, Math.fma(-f.lr(), step, p));
      Raw.putFloat(a.vOut() + i, v);
    }
  }

  @Override
  void adam(Adam a, AdamFactors f, long n) {
    for (long i = 0; i < 4 * n; i += 4) {
      float p = Raw.getFloat(a.p() + i);
      float g = Math.fma(f.decay(), p, Raw.getFloat(a.g() + i));
      float m = Math.fma(f.beta1(), Raw.getFloat(a.m() + i), f.oneMinusBeta1() * g);
      float v = Math.fma(f.beta2(), Raw.getFloat(a.v() + i), f.oneMinusBeta2() * g * g);
      float root = (float) Math.sqrt(v * f.unbias()) + f.epsilon();
      Raw.putFloat(a.pOut() + i, Math.fma(-f.rate(), m / root, p * f.keep()));
      Raw.putFloat(a.mOut() + i, m);
      Raw.putFloat(a.vOut() + i, v);
    }
  }
}
