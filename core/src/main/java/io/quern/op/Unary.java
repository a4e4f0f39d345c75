package io.quern.op;

import java.util.List;
import java.util.function.DoubleUnaryOperator;

/** One function applied to every element. */
public record Unary(Fn fn) implements Op {
  /** The functions; each constant carries its definition in double precision, the oracle. */
  public enum Fn {
    NEG(Domain.NUMERIC, x -> -x),
    ABS(Domain.NUMERIC, Math::abs),
    SIGN(Domain.NUMERIC, Math::signum),
    SQUARE(Domain.NUMERIC, x -> x * x),
    RELU(Domain.NUMERIC, x -> x > 0 || Double.isNaN(x) ? x : 0),
    SQRT(Domain.FLOAT, Math::sqrt),
    RSQRT(Domain.FLOAT, x -> 1 / Math.sqrt(x)),
    RECIPROCAL(Domain.FLOAT, x -> 1 / x),
    EXP(Domain.FLOAT, Math::exp),
    LOG(Domain.FLOAT, Math::log),
    SIN(Domain.FLOAT, Math::sin),
    COS(Domain.FLOAT, Math::cos),
    TANH(Domain.FLOAT, Math::tanh),
    SIGMOID(Domain.FLOAT, x -> 1 / (1 + Math.exp(-x))),
    ERF(Domain.FLOAT, Erf::erf),
    /** {@code x * Phi(x)} with the normal distribution's Phi, exact form (Hendrycks, Gimpel). */
    GELU(Domain.FLOAT, x -> limit(x, 0.5 * x * Erf.erfc(-x * Math.sqrt(0.5)))),
    /** {@code x * sigmoid(x)}. */
    SILU(Domain.FLOAT, x -> limit(x, x / (1 + Math.exp(-x)))),
    /** {@code log(1 + exp(x))}. */
    SOFTPLUS(Domain.FLOAT, x -> Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))),
    /** {@code x / (1 + |x|)}. */
    SOFTSIGN(Domain.FLOAT, x -> x / (1 + Math.abs(x))),
    FLOOR(Domain.FLOAT, Math::floor),
    CEIL(Domain.FLOAT, Math::ceil),
    /** To the nearest integer, halves to the even one. */
    ROUND(Domain.FLOAT, Math::rint),
    /** 1 where the element is NaN, else 0. */
    NAN_MASK(Domain.FLOAT, x -> Double.isNaN(x) ? 1 : 0);

    private enum Domain {
      NUMERIC,
      FLOAT
    }

    private final Domain domain;
    private final DoubleUnaryOperator definition;

    Fn(Domain domain, DoubleUnaryOperator definition) {
      this.domain = domain;
      this.definition = definition;
    }

    /**
     * {@code value}, or at negative infinity the limit 0 that the function approaches from below.
     */
    private static double limit(double x, double value) {
      return x == Double.NEGATIVE_INFINITY ? -0.0 : value;
    }

    /** The function itself, in double precision. */
    public double apply(double x) {
      return definition.applyAsDouble(x);
    }

    /** Whether integer tensors are accepted too. */
    public boolean takesIntegers() {
      return domain == Domain.NUMERIC;
    }
  }

  @Override
  public String name() {
    return fn.name().toLowerCase(java.util.Locale.ROOT);
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.inputCount(name(), inputs, 1);
    TensorSpec input = inputs.getFirst();
    if (fn.takesIntegers()) {
      OpCheck.numeric(name(), input);
    } else {
      OpCheck.floating(name(), input);
    }
    OpCheck.require(
        fn != Fn.NEG || !input.dtype().isUnsigned(),
        name(),
        "%s has no negative values",
        input.dtype());
    return List.of(input);
  }
}
