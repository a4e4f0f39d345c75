package io.quern.op;

import io.quern.DType;
import java.util.List;
import java.util.Locale;

/** One function of two elements, applied with NumPy broadcasting. */
public record Binary(Fn fn) implements Op {
  /** The functions. */
  public enum Fn {
    ADD,
    SUB,
    MUL,
    /** Integer division rounds towards zero and throws on a zero divisor. */
    DIV,
    POW,
    /** NaN when either side is NaN. For BOOL: and. */
    MIN,
    /** NaN when either side is NaN. For BOOL: or. */
    MAX,
    /** {@code y > 0 ? x : 0}: lets x pass where y is positive, as the gradient of relu does. */
    GATE;

    /** The function in double precision. */
    public double apply(double x, double y) {
      return switch (this) {
        case ADD -> x + y;
        case SUB -> x - y;
        case MUL -> x * y;
        case DIV -> x / y;
        case POW -> Math.pow(x, y);
        case MIN -> Math.min(x, y);
        case MAX -> Math.max(x, y);
        case GATE -> y > 0 ? x : 0;
      };
    }

    /** The function on integers, modulo 2^64. */
    public long apply(long x, long y) {
      return switch (this) {
        case ADD -> x + y;
        case SUB -> x - y;
        case MUL -> x * y;
        case DIV -> {
          if (y == 0) {
            throw new ArithmeticException("div: integer division by zero");
          }
          yield x / y;
        }
        case POW -> throw new IllegalArgumentException("pow: needs a float dtype");
        case MIN -> Math.min(x, y);
        case MAX -> Math.max(x, y);
        case GATE -> y > 0 ? x : 0;
      };
    }
  }

  @Override
  public String name() {
    return fn.name().toLowerCase(Locale.ROOT);
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.inputCount(name(), inputs, 2);
    OpCheck.sameDType(name(), inputs);
    TensorSpec left = inputs.getFirst();
    if (fn == Fn.POW) {
      OpCheck.floating(name(), left);
    } else if (left.dtype() == DType.BOOL) {
      OpCheck.require(
          fn == Fn.MIN || fn == Fn.MAX, name(), "needs a numeric dtype, found %s", left);
    }
    return List.of(left.with(ShapeRules.broadcast(name(), left.shape(), inputs.get(1).shape())));
  }
}
