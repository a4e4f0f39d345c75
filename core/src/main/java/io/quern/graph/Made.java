package io.quern.graph;

import io.quern.op.Binary;
import io.quern.op.Fill;
import io.quern.op.Op;
import io.quern.op.Unary;
import io.quern.op.View;
import java.util.OptionalDouble;
import org.jspecify.annotations.Nullable;

/** How values were made. */
final class Made {
  private Made() {}

  /** The node that gives a value by an op of a class, or null. */
  static @Nullable Node by(Value value, Class<? extends Op> op) {
    return value instanceof Value.Result(Node node, int _) && op.isInstance(node.op())
        ? node
        : null;
  }

  /** The argument of the function that gives a value, or null when another one does. */
  static @Nullable Value by(Value value, Unary.Fn fn) {
    Node node = by(value, Unary.class);
    return node != null && node.op().equals(new Unary(fn)) ? node.inputs().getFirst() : null;
  }

  /** The node of a function of two values, or null when another one gives the value. */
  static @Nullable Node by(Value value, Binary.Fn fn) {
    Node node = by(value, Binary.class);
    return node != null && node.op().equals(new Binary(fn)) ? node : null;
  }

  /** The number that all elements of a value are, where the graph says so. */
  static OptionalDouble number(Value value) {
    if (!(value instanceof Value.Result(Node node, int _))) {
      return OptionalDouble.empty();
    }
    return switch (node.op()) {
      case Fill fill -> OptionalDouble.of(fill.value());
      case View _ -> number(node.inputs().getFirst());
      default -> OptionalDouble.empty();
    };
  }

  /** Whether all elements are this number, up to the rounding of floats. */
  static boolean isNumber(Value value, double expected) {
    OptionalDouble number = number(value);
    return number.isPresent() && isAbout(number.getAsDouble(), expected);
  }

  /** Whether two numbers are the same, up to the rounding of floats. */
  static boolean isAbout(double x, double y) {
    return Math.abs(x - y) <= 0x1p-22 * Math.abs(y);
  }

  /** Whether a value follows from captured tensors alone. */
  static boolean isFixed(Value value) {
    return switch (value) {
      case Value.Captured _ -> true;
      case Value.Result(Node node, int _) ->
          (node.op() instanceof View || node.op() instanceof Binary)
              && node.inputs().stream().allMatch(Made::isFixed);
      case Value.Input _, Value.Host _ -> false;
    };
  }

  /** A value without the constant factors around it. */
  record Scaled(Value value, double factor) {
    static Scaled of(Value value) {
      Node product = by(value, Binary.Fn.MUL);
      for (int i = 0; product != null && i < 2; i++) {
        OptionalDouble number = number(product.inputs().get(i));
        if (number.isPresent()) {
          return of(product.inputs().get(1 - i)).times(number.getAsDouble());
        }
      }
      Node quotient = by(value, Binary.Fn.DIV);
      OptionalDouble divisor =
          quotient == null ? OptionalDouble.empty() : number(quotient.inputs().get(1));
      return quotient == null || divisor.isEmpty()
          ? new Scaled(value, 1)
          : of(quotient.inputs().getFirst()).times(1 / divisor.getAsDouble());
    }

    private Scaled times(double more) {
      return new Scaled(value, factor * more);
    }
  }
}
