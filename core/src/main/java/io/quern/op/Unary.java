package io.quern.op;

import java.util.List;

/** One function applied to every element. */
public record Unary(Fn fn) implements Op {
  /** The functions. */
  public enum Fn {
    NEG,
    ABS,
    SIGN,
    SQUARE,
    RELU,
    SQRT,
    RSQRT,
    RECIPROCAL,
    EXP,
    LOG,
    SIN,
    COS,
    TANH,
    SIGMOID,
    ERF,
    /** {@code x * Phi(x)} with the normal distribution's Phi, exact form (Hendrycks, Gimpel). */
    GELU,
    /** {@code x * sigmoid(x)}. */
    SILU,
    /** {@code log(1 + exp(x))}. */
    SOFTPLUS,
    /** {@code x / (1 + |x|)}. */
    SOFTSIGN,
    FLOOR,
    CEIL,
    /** To the nearest integer, halves to the even one. */
    ROUND,
    /** 1 where the element is NaN, else 0. */
    NAN_MASK;

    /**
     * {@code value}, or at negative infinity the limit 0 that the function approaches from below.
     */
    private static double limit(double x, double value) {
      return x == Double.NEGATIVE_INFINITY ? -0.0 : value;
    }

    /** The function in double precision, the oracle. */
    public double apply(double x) {
      return switch (this) {
        case NEG -> -x;
        case ABS -> Math.abs(x);
        case SIGN -> Math.signum(x);
        case SQUARE -> x * x;
        case RELU -> x > 0 || Double.isNaN(x) ? x : 0;
        case SQRT -> Math.sqrt(x);
        case RSQRT -> 1 / Math.sqrt(x);
        case RECIPROCAL -> 1 / x;
        case EXP -> Math.exp(x);
        case LOG -> Math.log(x);
        case SIN -> Math.sin(x);
        case COS -> Math.cos(x);
        case TANH -> Math.tanh(x);
        case SIGMOID -> 1 / (1 + Math.exp(-x));
        case ERF -> Erf.erf(x);
        case GELU -> limit(x, 0.5 * x * Erf.erfc(-x * Math.sqrt(0.5)));
        case SILU -> limit(x, x / (1 + Math.exp(-x)));
        case SOFTPLUS -> Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
        case SOFTSIGN -> x / (1 + Math.abs(x));
        case FLOOR -> Math.floor(x);
        case CEIL -> Math.ceil(x);
        case ROUND -> Math.rint(x);
        case NAN_MASK -> Double.isNaN(x) ? 1 : 0;
      };
    }

    /** Whether integer tensors are accepted too. */
    public boolean takesIntegers() {
      return switch (this) {
        case NEG, ABS, SIGN, SQUARE, RELU -> true;
        default -> false;
      };
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
