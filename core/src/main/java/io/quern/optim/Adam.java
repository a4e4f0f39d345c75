package io.quern.optim;

import io.quern.Tensor;
import io.quern.op.AdamStep;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Adam (Kingma, Ba 2015), and AdamW (Loshchilov, Hutter 2019), which decays the weights apart from
 * the gradient; see {@link AdamStep} for the formula. Keeps two tensors of the size of each
 * parameter, {@code m} and {@code v}.
 */
public final class Adam extends Optimizer {
  private final AdamStep op;
  private final Map<String, Tensor> first;
  private final Map<String, Tensor> second;

  private final double[] scalars = new double[3];

  private Adam(Builder builder) {
    super(builder.decoupled ? "adamw" : "adam", builder.parameters, builder.learningRate);
    this.op =
        new AdamStep(
            builder.beta1, builder.beta2, builder.epsilon, builder.weightDecay, builder.decoupled);
    this.first = zeros("m");
    this.second = zeros("v");
  }

  /** Adam with beta 0.9 and 0.999, epsilon 1e-8 and no weight decay. */
  public static Adam of(Map<String, Tensor> parameters, double learningRate) {
    return builder(parameters, learningRate).build();
  }

  /** AdamW with beta 0.9 and 0.999, epsilon 1e-8. */
  public static Adam adamW(
      Map<String, Tensor> parameters, double learningRate, double weightDecay) {
    return builder(parameters, learningRate).decoupledWeightDecay(weightDecay).build();
  }

  /** Collects options. */
  public static Builder builder(Map<String, Tensor> parameters, double learningRate) {
    return new Builder(parameters, learningRate);
  }

  /** The options of {@link Adam}. */
  public static final class Builder {
    private final Map<String, Tensor> parameters;
    private final double learningRate;
    private double beta1 = 0.9;
    private double beta2 = 0.999;
    private double epsilon = 1e-8;
    private double weightDecay;
    private boolean decoupled;

    private Builder(Map<String, Tensor> parameters, double learningRate) {
      this.parameters = parameters;
      this.learningRate = learningRate;
    }

    /** Shares of the running means of gradients and of their squares that are kept. */
    public Builder betas(double gradients, double squares) {
      beta1 = Settings.share("adam", "the first beta", gradients);
      beta2 = Settings.share("adam", "the second beta", squares);
      return this;
    }

    /** What is added to the divisor. */
    public Builder epsilon(double value) {
      epsilon = Settings.notNegative("adam", "epsilon", value);
      return this;
    }

    /** What is added to the gradient per unit of the parameter (Adam with L2 penalty). */
    public Builder weightDecay(double value) {
      weightDecay = Settings.notNegative("adam", "weight decay", value);
      decoupled = false;
      return this;
    }

    /** By what share times the learning rate the parameter shrinks in each step (AdamW). */
    public Builder decoupledWeightDecay(double value) {
      weightDecay = Settings.notNegative("adam", "weight decay", value);
      decoupled = true;
      return this;
    }

    /** The optimiser. */
    public Adam build() {
      return new Adam(this);
    }
  }

  @Override
  public Map<String, String> settings() {
    Map<String, String> settings = new LinkedHashMap<>();
    settings.put("beta1", Double.toString(op.beta1()));
    settings.put("beta2", Double.toString(op.beta2()));
    settings.put("epsilon", Double.toString(op.epsilon()));
    settings.put("weightDecay", Double.toString(op.weightDecay()));
    settings.put("decoupled", Boolean.toString(op.decoupled()));
    return settings;
  }

  @Override
  protected double[] scalars(double rate, long step) {
    scalars[0] = rate;
    scalars[1] = 1 - Math.pow(op.beta1(), (double) step);
    scalars[2] = 1 - Math.pow(op.beta2(), (double) step);
    return scalars;
  }

  @Override
  protected void update(String name, Tensor parameter, Tensor gradient, Tensor scalars) {
    Tensor m = first.get(name);
    Tensor v = second.get(name);
    Tensor.applyInto(op, List.of(parameter, gradient, m, v, scalars), List.of(parameter, m, v));
  }
}
