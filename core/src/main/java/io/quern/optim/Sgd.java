package io.quern.optim;

import io.quern.Tensor;
import io.quern.op.SgdStep;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Stochastic gradient descent, with momentum, Nesterov's variant and weight decay as options; see
 * {@link SgdStep} for the formula. Without momentum it keeps no state.
 */
public final class Sgd extends Optimizer {
  private final SgdStep op;
  private final @Nullable Map<String, Tensor> velocity;

  private final double[] scalars = new double[1];

  private Sgd(Builder builder) {
    super("sgd", builder.parameters, builder.learningRate);
    this.op = new SgdStep(builder.momentum, builder.nesterov, builder.weightDecay);
    this.velocity = builder.momentum == 0 ? null : zeros("velocity");
  }

  /** Without momentum and weight decay. */
  public static Sgd of(Map<String, Tensor> parameters, double learningRate) {
    return builder(parameters, learningRate).build();
  }

  /** Collects options. */
  public static Builder builder(Map<String, Tensor> parameters, double learningRate) {
    return new Builder(parameters, learningRate);
  }

  /** The options of {@link Sgd}. */
  public static final class Builder {
    private final Map<String, Tensor> parameters;
    private final double learningRate;
    private double momentum;
    private boolean nesterov;
    private double weightDecay;

    private Builder(Map<String, Tensor> parameters, double learningRate) {
      this.parameters = parameters;
      this.learningRate = learningRate;
    }

    /** Share of the velocity that is kept, from 0 (the default) to less than 1. */
    public Builder momentum(double value) {
      momentum = Settings.share("sgd", "momentum", value);
      return this;
    }

    /** Whether the gradient is looked at from where momentum would lead. */
    public Builder nesterov(boolean value) {
      nesterov = value;
      return this;
    }

    /** What is added to the gradient per unit of the parameter; 0 by default. */
    public Builder weightDecay(double value) {
      weightDecay = Settings.notNegative("sgd", "weight decay", value);
      return this;
    }

    /** The optimiser. */
    public Sgd build() {
      if (nesterov && momentum == 0) {
        throw new IllegalArgumentException("sgd: nesterov needs a momentum");
      }
      return new Sgd(this);
    }
  }

  @Override
  public Map<String, String> settings() {
    Map<String, String> settings = new LinkedHashMap<>();
    settings.put("momentum", Double.toString(op.momentum()));
    settings.put("nesterov", Boolean.toString(op.nesterov()));
    settings.put("weightDecay", Double.toString(op.weightDecay()));
    return settings;
  }

  @Override
  protected double[] scalars(double rate, long step) {
    scalars[0] = rate;
    return scalars;
  }

  @Override
  protected void update(String name, Tensor parameter, Tensor gradient, Tensor scalars) {
    // Without momentum the velocity is not read, and a temporary of its size is enough to write.
    Tensor speed = velocity == null ? gradient.fullLike(0) : velocity.get(name);
    Tensor.applyInto(op, List.of(parameter, gradient, speed, scalars), List.of(parameter, speed));
    if (velocity == null) {
      speed.close();
    }
  }
}
