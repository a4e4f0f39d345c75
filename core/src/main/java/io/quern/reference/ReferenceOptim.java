package io.quern.reference;

import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.op.AdamStep;
import io.quern.op.SgdStep;
import java.util.function.Consumer;

/** Optimiser steps; an element's inputs are read before its outputs are written. */
final class ReferenceOptim {
  private ReferenceOptim() {}

  static Consumer<Operands> sgd(KernelKey key, SgdStep step) {
    Elements parameter = Elements.of(key, 0);
    Elements gradient = Elements.of(key, 1);
    Elements velocity = Elements.of(key, 2);
    Elements scalars = Elements.of(key, 3);
    Elements newParameter = Elements.of(key, 4);
    Elements newVelocity = Elements.of(key, 5);
    Elements still = new Elements(scalars.dtype(), new long[key.shape(0).rank()]);
    return memory -> {
      double lr = scalars.getDouble(memory.address(3));
      Walk walk =
          new Walk(key.shape(0), parameter, gradient, velocity, still, newParameter, newVelocity);
      for (boolean more = walk.start(memory); more; more = walk.next()) {
        double p = parameter.getDouble(walk.address(0));
        double g = gradient.getDouble(walk.address(1)) + step.weightDecay() * p;
        double v = step.momentum() * velocity.getDouble(walk.address(2)) + g;
        double direction = step.nesterov() ? g + step.momentum() * v : v;
        newParameter.put(walk.address(4), p - lr * direction);
        newVelocity.put(walk.address(5), v);
      }
    };
  }

  static Consumer<Operands> adam(KernelKey key, AdamStep step) {
    Elements parameter = Elements.of(key, 0);
    Elements gradient = Elements.of(key, 1);
    Elements first = Elements.of(key, 2);
    Elements second = Elements.of(key, 3);
    Elements scalars = Elements.of(key, 4);
    Elements newParameter = Elements.of(key, 5);
    Elements newFirst = Elements.of(key, 6);
    Elements newSecond = Elements.of(key, 7);
    Elements still = new Elements(scalars.dtype(), new long[key.shape(0).rank()]);
    return memory -> {
      double lr = scalars.getDouble(memory.address(4));
      double c1 = scalars.getDouble(memory.address(4) + scalars.stride(0));
      double c2 = scalars.getDouble(memory.address(4) + 2 * scalars.stride(0));
      Walk walk =
          new Walk(
              key.shape(0),
              parameter,
              gradient,
              first,
              second,
              still,
              newParameter,
              newFirst,
              newSecond);
      for (boolean more = walk.start(memory); more; more = walk.next()) {
        double old = parameter.getDouble(walk.address(0));
        double decay = step.weightDecay() * old;
        double p = step.decoupled() ? old - lr * decay : old;
        double g = gradient.getDouble(walk.address(1)) + (step.decoupled() ? 0 : decay);
        double m = step.beta1() * first.getDouble(walk.address(2)) + (1 - step.beta1()) * g;
        double v = step.beta2() * second.getDouble(walk.address(3)) + (1 - step.beta2()) * g * g;
        newParameter.put(walk.address(5), p - lr / c1 * m / (Math.sqrt(v / c2) + step.epsilon()));
        newFirst.put(walk.address(6), m);
        newSecond.put(walk.address(7), v);
      }
    };
  }
}
