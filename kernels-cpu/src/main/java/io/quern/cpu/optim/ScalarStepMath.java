package io.quern.cpu.optim;

import io.quern.backend.Operands;
import io.quern.op.AdamStep;
import io.quern.op.SgdStep;
import io.quern.runtime.Raw;

/** The twin without vectors. */
final class ScalarStepMath extends StepMath {
  @Override
  void sgd(SgdStep op, Operands o, long first, long n) {
    float lr = Raw.getFloat(o.address(3));
    float momentum = (float) op.momentum();
    float decay = (float) op.weightDecay();
    for (long i = 4 * first; i < 4 * (first + n); i += 4) {
      float p = Raw.getFloat(o.address(0) + i);
      float g = Math.fma(decay, p, Raw.getFloat(o.address(1) + i));
      float v = Math.fma(momentum, Raw.getFloat(o.address(2) + i), g);
      float step = op.nesterov() ? Math.fma(momentum, v, g) : v;
      Raw.putFloat(o.address(4) + i, Math.fma(-lr, step, p));
      Raw.putFloat(o.address(5) + i, v);
    }
  }

  @Override
  void adam(AdamStep op, Operands o, long first, long n) {
    float beta1 = (float) op.beta1();
    float oneMinusBeta1 = (float) (1 - op.beta1());
    float beta2 = (float) op.beta2();
    float oneMinusBeta2 = (float) (1 - op.beta2());
    float epsilon = (float) op.epsilon();
    float keep = keep(op, o);
    float decay = decay(op);
    float rate = rate(o);
    float unbias = unbias(o);
    for (long i = 4 * first; i < 4 * (first + n); i += 4) {
      float p = Raw.getFloat(o.address(0) + i);
      float g = Math.fma(decay, p, Raw.getFloat(o.address(1) + i));
      float m = Math.fma(beta1, Raw.getFloat(o.address(2) + i), oneMinusBeta1 * g);
      float v = Math.fma(beta2, Raw.getFloat(o.address(3) + i), oneMinusBeta2 * g * g);
      float root = (float) Math.sqrt(v * unbias) + epsilon;
      Raw.putFloat(o.address(5) + i, Math.fma(-rate, m / root, p * keep));
      Raw.putFloat(o.address(6) + i, m);
      Raw.putFloat(o.address(7) + i, v);
    }
  }
}
