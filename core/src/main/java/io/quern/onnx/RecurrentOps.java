package io.quern.onnx;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.op.Compare;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** RNN, GRU and LSTM, one step after the other. */
final class RecurrentOps {
  private RecurrentOps() {}

  static void addTo(OpTable table) {
    table.ops("RNN", 7, call -> new Layer(call, 1, List.of("Tanh")).run(RecurrentOps::rnn));
    table.ops(
        "GRU", 7, call -> new Layer(call, 3, List.of("Sigmoid", "Tanh")).run(RecurrentOps::gru));
    table.ops(
        "LSTM",
        7,
        call -> new Layer(call, 4, List.of("Sigmoid", "Tanh", "Tanh")).run(RecurrentOps::lstm));
  }

  /** One step of one direction: from an input [batch, in] and a state to the next state. */
  private interface Step {
    State apply(Direction direction, Tensor x, State state);
  }

  /** Hidden state [batch, hidden], and the cells of an LSTM. */
  private record State(Tensor hidden, @Nullable Tensor cell) {}

  /** Weights of one direction. */
  private record Direction(
      Layer layer,
      Tensor weights,
      Tensor recurrence,
      @Nullable Tensor inputBias,
      @Nullable Tensor hiddenBias,
      @Nullable Tensor peepholes,
      List<UnaryOperator<Tensor>> activations) {

    /** The part of {@code x * W} for one gate. */
    Tensor input(Tensor x, int gate) {
      return product(x, weights, inputBias, gate);
    }

    /** The part of {@code h * R} for one gate. */
    Tensor hidden(Tensor h, int gate) {
      return product(h, recurrence, hiddenBias, gate);
    }

    private Tensor product(Tensor x, Tensor matrix, @Nullable Tensor bias, int gate) {
      long size = layer.hidden;
      Tensor product = x.matmul(matrix.slice(0, gate * size, (gate + 1) * size).transpose(0, 1));
      return bias == null ? product : product.add(bias.slice(0, gate * size, (gate + 1) * size));
    }

    Tensor sum(Tensor x, Tensor h, int gate) {
      return input(x, gate).add(hidden(h, gate));
    }

    Tensor activate(int number, Tensor x) {
      return activations.get(number).apply(layer.clipped(x));
    }

    Tensor peep(int number, Tensor sum, Tensor cell) {
      long size = layer.hidden;
      return peepholes == null
          ? sum
          : sum.add(peepholes.slice(0, number * size, (number + 1) * size).mul(cell));
    }
  }

  private static State rnn(Direction d, Tensor x, State state) {
    return new State(d.activate(0, d.sum(x, state.hidden, 0)), null);
  }

  private static State gru(Direction d, Tensor x, State state) {
    Tensor h = state.hidden;
    Tensor update = d.activate(0, d.sum(x, h, 0));
    Tensor reset = d.activate(0, d.sum(x, h, 1));
    Tensor inner =
        d.layer.call.flag("linear_before_reset", false)
            ? d.input(x, 2).add(reset.mul(d.hidden(h, 2)))
            : d.input(x, 2).add(d.hidden(reset.mul(h), 2));
    Tensor candidate = d.activate(1, inner);
    return new State(candidate.sub(update.mul(candidate)).add(update.mul(h)), null);
  }

  private static State lstm(Direction d, Tensor x, State state) {
    Tensor h = state.hidden;
    Tensor c = java.util.Objects.requireNonNull(state.cell);
    Tensor in = d.activate(0, d.peep(0, d.sum(x, h, 0), c));
    Tensor forget =
        d.layer.call.flag("input_forget", false)
            ? in.neg().add(1)
            : d.activate(0, d.peep(2, d.sum(x, h, 2), c));
    Tensor cell = forget.mul(c).add(in.mul(d.activate(1, d.sum(x, h, 3))));
    Tensor out = d.activate(0, d.peep(1, d.sum(x, h, 1), cell));
    return new State(out.mul(d.activations.get(2).apply(cell)), cell);
  }

  /** What the three have in common: directions, layouts, lengths of sequences. */
  private static final class Layer {
    private final Call call;
    private final boolean isLstm;
    private final boolean batchFirst;
    private final long hidden;
    private final double clip;
    private final String direction;
    private final int directions;
    private final List<String> functions;
    private final int perDirection;

    Layer(Call call, int gates, List<String> defaults) {
      this.call = call;
      this.isLstm = gates == 4;
      this.batchFirst = call.flag("layout", false);
      this.hidden = call.integer("hidden_size", call.in(2).dim(-1));
      this.clip = call.number("clip", 0);
      this.direction = call.text("direction", "forward");
      this.directions = direction.equals("bidirectional") ? 2 : 1;
      this.perDirection = defaults.size();
      List<String> given = call.texts("activations");
      List<String> all = new ArrayList<>(given);
      while (all.size() < directions * perDirection) {
        all.add(defaults.get(all.size() % perDirection));
      }
      this.functions = all;
    }

    Tensor clipped(Tensor x) {
      return clip > 0 ? x.clamp(-clip, clip) : x;
    }

    Tensor[] run(Step step) {
      Tensor x = batchFirst ? call.in(0).transpose(0, 1) : call.in(0);
      List<Tensor> sequences = new ArrayList<>();
      List<Tensor> states = new ArrayList<>();
      List<Tensor> cells = new ArrayList<>();
      for (int d = 0; d < directions; d++) {
        boolean backward = d == 1 || direction.equals("reverse");
        Direction weights = direction(d);
        State state = new State(initial(5, d, x), isLstm ? initial(6, d, x) : null);
        sequences.add(run(step, weights, x, state, backward, states, cells));
      }
      // [time, directions, batch, hidden], or [batch, time, directions, hidden]
      Tensor all = Tensor.concat(1, sequences.toArray(Tensor[]::new));
      Tensor last = Tensor.stack(states);
      Tensor y = batchFirst ? all.permute(2, 0, 1, 3) : all;
      Tensor h = batchFirst ? last.transpose(0, 1) : last;
      if (!isLstm) {
        return new Tensor[] {y, h};
      }
      Tensor c = Tensor.stack(cells);
      return new Tensor[] {y, h, batchFirst ? c.transpose(0, 1) : c};
    }

    private Tensor run(
        Step step,
        Direction weights,
        Tensor x,
        State state,
        boolean backward,
        List<Tensor> states,
        List<Tensor> cells) {
      long length = x.dim(0);
      Tensor[] outputs = new Tensor[Math.toIntExact(length)];
      Tensor lengths = call.has(4) ? call.in(4).to(DType.I64).reshape(x.dim(1), 1) : null;
      for (long i = 0; i < length; i++) {
        long t = backward ? length - 1 - i : i;
        State next = step.apply(weights, x.select(0, t), state);
        Tensor output = next.hidden;
        if (lengths != null) {
          Tensor runs = lengths.compare(Compare.Fn.GT, (double) t);
          output = Tensor.where(runs, next.hidden, ElementwiseOps.scalar(next.hidden, 0));
          next =
              new State(
                  Tensor.where(runs, next.hidden, state.hidden),
                  next.cell == null || state.cell == null
                      ? null
                      : Tensor.where(runs, next.cell, state.cell));
        }
        state = next;
        outputs[(int) t] = output.unsqueeze(0).unsqueeze(0);
      }
      states.add(state.hidden);
      if (state.cell != null) {
        cells.add(state.cell);
      }
      return outputs.length == 0
          ? Call.full(0, x.dtype(), Shape.of(0, 1, x.dim(1), hidden))
          : Tensor.concat(0, outputs);
    }

    private Tensor initial(int input, int d, Tensor x) {
      if (!call.has(input)) {
        return Call.full(0, x.dtype(), Shape.of(x.dim(1), hidden));
      }
      return call.in(input).select(batchFirst ? 1 : 0, d);
    }

    private Direction direction(int d) {
      Tensor bias = call.has(3) ? call.in(3).select(0, d) : null;
      long half = bias == null ? 0 : bias.dim(0) / 2;
      List<UnaryOperator<Tensor>> activations = new ArrayList<>();
      for (int i = 0; i < perDirection; i++) {
        activations.add(activation(d * perDirection + i));
      }
      return new Direction(
          this,
          call.in(1).select(0, d),
          call.in(2).select(0, d),
          bias == null ? null : bias.slice(0, 0, half),
          bias == null ? null : bias.slice(0, half, 2 * half),
          call.has(7) ? call.in(7).select(0, d) : null,
          activations);
    }

    private UnaryOperator<Tensor> activation(int number) {
      String name = functions.get(number).toLowerCase(Locale.ROOT);
      float[] alphas = call.numbers("activation_alpha");
      float[] betas = call.numbers("activation_beta");
      double alpha = alphas != null && number < alphas.length ? alphas[number] : alpha(name);
      double beta =
          betas != null && number < betas.length
              ? betas[number]
              : name.equals("hardsigmoid") ? 0.5 : 0;
      return switch (name) {
        case "relu" -> Tensor::relu;
        case "tanh" -> Tensor::tanh;
        case "sigmoid" -> Tensor::sigmoid;
        case "softsign" -> x -> x.map(io.quern.op.Unary.Fn.SOFTSIGN);
        case "softplus" -> x -> x.map(io.quern.op.Unary.Fn.SOFTPLUS);
        case "affine" -> x -> x.mul(alpha).add(beta);
        case "leakyrelu" -> x -> Tensor.where(below(x, 0), x.mul(alpha), x);
        case "thresholdedrelu" -> x -> Tensor.where(below(x, alpha), x.mul(0), x);
        case "scaledtanh" -> x -> x.mul(beta).tanh().mul(alpha);
        case "hardsigmoid" -> x -> x.mul(alpha).add(beta).clamp(0, 1);
        case "elu" -> x -> ElementwiseOps.elu(x, alpha);
        default -> throw call.error("activation '%s' is not known", functions.get(number));
      };
    }

    private static Tensor below(Tensor x, double limit) {
      return x.compare(Compare.Fn.LT, limit);
    }

    private static double alpha(String name) {
      return switch (name) {
        case "leakyrelu" -> 0.01;
        case "hardsigmoid" -> 0.2;
        default -> 1;
      };
    }
  }
}
