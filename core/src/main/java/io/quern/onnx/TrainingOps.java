package io.quern.onnx;

import io.quern.Tensor;

/** Steps of optimisers, from the domain ai.onnx.preview.training. */
final class TrainingOps {
  private TrainingOps() {}

  static void addTo(OpTable table) {
    table.domain("ai.onnx.preview.training");
    table.ops("Adagrad", 1, call -> each(call, 1, TrainingOps::adagrad));
    table.ops("Adam", 1, call -> each(call, 2, TrainingOps::adam));
    table.ops("Momentum", 1, call -> each(call, 1, TrainingOps::momentum));
    table.domain("");
  }

  /** A step for one tensor: from x, gradient and state to the new x and state. */
  private interface Step {
    Tensor[] apply(Call call, double rate, long round, Tensor x, Tensor gradient, Tensor[] state);
  }

  /** Inputs are the rate, the round, then all x, all gradients, and all states of each kind. */
  private static Tensor[] each(Call call, int states, Step step) {
    double rate = call.doubles(0)[0];
    long round = call.longs(1)[0];
    int count = (call.count() - 2) / (2 + states);
    Tensor[] results = new Tensor[count * (1 + states)];
    for (int i = 0; i < count; i++) {
      Tensor[] state = new Tensor[states];
      for (int s = 0; s < states; s++) {
        state[s] = call.in(2 + (2 + s) * count + i);
      }
      Tensor[] next = step.apply(call, rate, round, call.in(2 + i), call.in(2 + count + i), state);
      for (int s = 0; s <= states; s++) {
        results[s * count + i] = next[s];
      }
    }
    return results;
  }

  /** The gradient with the norm's part. */
  private static Tensor regularised(Call call, Tensor x, Tensor gradient) {
    return x.mul(call.number("norm_coefficient", 0)).add(gradient);
  }

  private static Tensor[] adagrad(
      Call call, double rate, long round, Tensor x, Tensor gradient, Tensor[] state) {
    double now = rate / (1 + round * call.number("decay_factor", 0));
    Tensor g = regularised(call, x, gradient);
    Tensor squares = state[0].add(g.square());
    Tensor step = g.mul(now).div(squares.sqrt().add(call.number("epsilon", 1e-6f)));
    return new Tensor[] {x.sub(step), squares};
  }

  private static Tensor[] adam(
      Call call, double rate, long round, Tensor x, Tensor gradient, Tensor[] state) {
    double alpha = call.number("alpha", 0.9f);
    double beta = call.number("beta", 0.999f);
    Tensor g = regularised(call, x, gradient);
    Tensor first = state[0].mul(alpha).add(g.mul(1 - alpha));
    Tensor second = state[1].mul(beta).add(g.square().mul(1 - beta));
    double now =
        round == 0
            ? rate
            : rate
                * Math.sqrt(1 - Math.pow(beta, (double) round))
                / (1 - Math.pow(alpha, (double) round));
    Tensor step = first.mul(now).div(second.sqrt().add(call.number("epsilon", 1e-6f)));
    double after = call.number("norm_coefficient_post", 0);
    return new Tensor[] {x.sub(step).mul(1 - after), first, second};
  }

  private static Tensor[] momentum(
      Call call, double rate, long round, Tensor x, Tensor gradient, Tensor[] state) {
    double alpha = call.number("alpha", 0);
    double beta = round > 0 ? call.number("beta", 0) : 1;
    Tensor g = regularised(call, x, gradient);
    Tensor v = state[0].mul(alpha).add(g.mul(beta));
    Tensor step = call.text("mode", "standard").equals("nesterov") ? g.add(v.mul(alpha)) : v;
    return new Tensor[] {x.sub(step.mul(rate)), v};
  }
}
