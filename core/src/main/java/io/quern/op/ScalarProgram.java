package io.quern.op;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * A chain of elementwise functions as straight-line code over one element: values 0 to {@code
 * inputs - 1} are the inputs, each step adds one, and the last one is the result. Printable and
 * comparable; backends turn it into one loop.
 *
 * @param inputs number of inputs
 * @param steps the code; a step refers to earlier values only
 */
public record ScalarProgram(int inputs, List<Step> steps) {
  /** {@code max(x, 0)}. */
  public static final ScalarProgram RELU =
      new ScalarProgram(1, List.of(new Apply1(Unary.Fn.RELU, 0)));

  /** One instruction. */
  public sealed interface Step {}

  /** A number, rounded to the dtype of the program. */
  public record Literal(double value) implements Step {
    @Override
    public String toString() {
      return Double.toString(value);
    }
  }

  /** A function of one earlier value. */
  public record Apply1(Unary.Fn fn, int x) implements Step {
    @Override
    public String toString() {
      return fn.name().toLowerCase(Locale.ROOT) + " %" + x;
    }
  }

  /** A function of two earlier values. */
  public record Apply2(Binary.Fn fn, int x, int y) implements Step {
    @Override
    public String toString() {
      return fn.name().toLowerCase(Locale.ROOT) + " %" + x + ", %" + y;
    }
  }

  /**
   * Checks the code.
   *
   * @throws IllegalArgumentException if there are no steps, or one refers to itself or a later
   *     value
   */
  public ScalarProgram {
    steps = List.copyOf(steps);
    OpCheck.require(!steps.isEmpty(), "scalar program", "needs one step or more, found none");
    for (int i = 0; i < steps.size(); i++) {
      int largest =
          switch (steps.get(i)) {
            case Literal _ -> -1;
            case Apply1(Unary.Fn _, int x) -> x;
            case Apply2(Binary.Fn _, int x, int y) -> Math.max(x, y);
          };
      OpCheck.require(
          largest < inputs + i,
          "scalar program",
          "step %d refers to value %d, which is not there yet",
          i,
          largest);
    }
  }

  /** Number of the value that is the result. */
  public int result() {
    return inputs + steps.size() - 1;
  }

  /**
   * The same code on inputs in another order.
   *
   * @param order the new number of each input; several may become one
   * @param count number of inputs then
   */
  public ScalarProgram withInputs(int[] order, int count) {
    List<Step> renumbered = new ArrayList<>();
    for (Step step : steps) {
      renumbered.add(
          switch (step) {
            case Literal literal -> literal;
            case Apply1(Unary.Fn fn, int x) -> new Apply1(fn, renumber(x, order, count));
            case Apply2(Binary.Fn fn, int x, int y) ->
                new Apply2(fn, renumber(x, order, count), renumber(y, order, count));
          });
    }
    return new ScalarProgram(count, renumbered);
  }

  private int renumber(int value, int[] order, int count) {
    return value < inputs ? order[value] : value - inputs + count;
  }

  /** The program as ops on whole tensors, one after another. */
  public <T> T replay(OpBuilder<T> builder, List<T> values) {
    List<T> all = new ArrayList<>(values);
    for (Step step : steps) {
      all.add(
          switch (step) {
            case Literal(double value) -> builder.constant(values.getFirst(), value);
            case Apply1(Unary.Fn fn, int x) -> builder.apply(new Unary(fn), all.get(x));
            case Apply2(Binary.Fn fn, int x, int y) ->
                builder.apply(new Binary(fn), all.get(x), all.get(y));
          });
    }
    return all.getLast();
  }

  /** The code, such as {@code %2 = mul %0, %1; %3 = tanh %2}. */
  @Override
  public String toString() {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < steps.size(); i++) {
      text.append(i == 0 ? "" : "; ").append('%').append(inputs + i).append(" = ");
      text.append(steps.get(i));
    }
    return text.toString();
  }
}
