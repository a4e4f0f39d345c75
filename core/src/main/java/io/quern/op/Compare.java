package io.quern.op;

import io.quern.DType;
import java.util.List;
import java.util.Locale;

/** A comparison of two elements with NumPy broadcasting; gives BOOL. */
public record Compare(Fn fn) implements Op {
  /** The comparisons; all but NE are false when a side is NaN. */
  public enum Fn {
    EQ,
    NE,
    LT,
    LE,
    GT,
    GE;

    /** The comparison in double precision. */
    public boolean apply(double x, double y) {
      return switch (this) {
        case EQ -> x == y;
        case NE -> x != y;
        case LT -> x < y;
        case LE -> x <= y;
        case GT -> x > y;
        case GE -> x >= y;
      };
    }

    /** The comparison on integers. */
    public boolean apply(long x, long y) {
      return switch (this) {
        case EQ -> x == y;
        case NE -> x != y;
        case LT -> x < y;
        case LE -> x <= y;
        case GT -> x > y;
        case GE -> x >= y;
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
    return List.of(
        new TensorSpec(
            DType.BOOL,
            ShapeRules.broadcast(name(), inputs.get(0).shape(), inputs.get(1).shape())));
  }
}
