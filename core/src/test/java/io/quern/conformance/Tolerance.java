package io.quern.conformance;

import io.quern.DType;
import io.quern.op.Op;
import java.util.List;

/**
 * How far a result may be from the exact one. Bounds come from the arithmetic of the op, never from
 * what an implementation happens to reach.
 */
public sealed interface Tolerance {
  /** The exact result rounded once, to the bit; the sign of zero counts. */
  static Tolerance exact() {
    return new Exact();
  }

  /** {@code units} units in the last place of the exact result. */
  static Tolerance ulps(double units) {
    return new Ulps(units);
  }

  /**
   * {@code length} roundings of terms that sum up to the op on absolute values: the bound {@code
   * |error| <= k * eps * sum |a * b|} of a dot product of length k in any order of summation
   * (Higham, "Accuracy and stability of numerical algorithms", section 3.1), and the final
   * rounding. Where the sum of absolute values overflows, so may the sum in some orders.
   */
  static Tolerance dot(long length) {
    return new Dot(length);
  }

  /** {@code roundings} relative errors of the size of {@code magnitude}, and the final rounding. */
  static Tolerance scaled(long roundings, Magnitude magnitude) {
    return new Scaled(roundings, magnitude);
  }

  /**
   * For ops that may run as a chain of others: {@code steps} results in the op's own dtype, each an
   * error of the size of {@code magnitude}, and sums over {@code length} elements.
   */
  static Tolerance chain(int steps, long length, Magnitude magnitude) {
    return new Chain(steps, length, magnitude);
  }

  /** For each output element, the size of the largest intermediate results. */
  @FunctionalInterface
  interface Magnitude {
    /** One array for each output; {@code op} and {@code inputs} are in double precision. */
    List<HostArray> of(Op op, List<HostArray> inputs);

    /** One number for all elements of all outputs. */
    static Magnitude constant(double size) {
      return (op, inputs) ->
          Oracle.run(op, inputs).stream()
              .map(
                  output -> {
                    double[] sizes = new double[output.values().length];
                    java.util.Arrays.fill(sizes, size);
                    return new HostArray(output.spec(), sizes);
                  })
              .toList();
    }
  }

  /** Sizes of the intermediate results, empty when the tolerance does not depend on them. */
  default List<HostArray> magnitudes(Op op, List<HostArray> inputs) {
    return List.of();
  }

  /** Whether {@code actual}, an element of {@code dtype}, is near enough. */
  boolean accepts(DType dtype, double expected, double magnitude, double actual);

  /** The tolerance {@link #exact}. */
  record Exact() implements Tolerance {
    @Override
    public boolean accepts(DType dtype, double expected, double magnitude, double actual) {
      return Double.compare(HostArray.round(dtype, expected), actual) == 0;
    }
  }

  /** The tolerance {@link #ulps}. */
  record Ulps(double units) implements Tolerance {
    @Override
    public boolean accepts(DType dtype, double expected, double magnitude, double actual) {
      return isWithin(dtype, expected, units * ulp(dtype, expected), actual);
    }
  }

  /** The tolerance {@link #dot}. */
  record Dot(long length) implements Tolerance {
    @Override
    public List<HostArray> magnitudes(Op op, List<HostArray> inputs) {
      return Oracle.run(op, inputs.stream().map(HostArray::absolute).toList());
    }

    @Override
    public boolean accepts(DType dtype, double expected, double magnitude, double actual) {
      boolean mayOverflow =
          Double.isFinite(magnitude)
              && Double.isInfinite(HostArray.round(accumulator(dtype), magnitude));
      return (mayOverflow && !Double.isFinite(actual))
          || isNear(dtype, expected, length + 1, magnitude, actual);
    }
  }

  /** The tolerance {@link #scaled}. */
  record Scaled(long roundings, Magnitude magnitude) implements Tolerance {
    @Override
    public List<HostArray> magnitudes(Op op, List<HostArray> inputs) {
      return magnitude.of(op, inputs);
    }

    @Override
    public boolean accepts(DType dtype, double expected, double magnitude, double actual) {
      return isNear(dtype, expected, roundings, magnitude, actual);
    }
  }

  /** The tolerance {@link #chain}. */
  record Chain(int steps, long length, Magnitude magnitude) implements Tolerance {
    @Override
    public List<HostArray> magnitudes(Op op, List<HostArray> inputs) {
      return magnitude.of(op, inputs);
    }

    @Override
    public boolean accepts(DType dtype, double expected, double magnitude, double actual) {
      double unit = steps * dtype.epsilon() + length * accumulator(dtype).epsilon();
      double bound = unit * magnitude + ulp(dtype, expected) + steps * Values.leastPositive(dtype);
      return isWithin(dtype, expected, bound, actual);
    }
  }

  /** Narrow floats are computed in F32 at least and rounded when they are stored. */
  private static DType accumulator(DType dtype) {
    return dtype == DType.F16 || dtype == DType.BF16 ? DType.F32 : dtype;
  }

  private static boolean isNear(
      DType dtype, double expected, long roundings, double magnitude, double actual) {
    double epsilon = dtype.isFloat() ? accumulator(dtype).epsilon() : 0;
    double bound = (double) roundings * epsilon * magnitude + ulp(dtype, expected);
    return isWithin(dtype, expected, bound, actual);
  }

  /** Rounding is monotonic, so the ends of the interval may be rounded, to infinity as well. */
  private static boolean isWithin(DType dtype, double expected, double bound, double actual) {
    if (Double.isNaN(expected) || Double.isNaN(actual)) {
      return Double.isNaN(expected) && Double.isNaN(actual);
    }
    if (Double.isInfinite(expected)) {
      return expected == actual;
    }
    return HostArray.round(dtype, expected - bound) <= actual
        && actual <= HostArray.round(dtype, expected + bound);
  }

  /** Distance of neighbouring numbers around {@code value} in the type that is computed in. */
  private static double ulp(DType dtype, double value) {
    if (!dtype.isFloat()) {
      return 0;
    }
    DType computed = accumulator(dtype);
    double size = Math.max(Math.abs(value), Values.leastNormal(computed));
    return Double.isFinite(size) ? Math.scalb(computed.epsilon(), Math.getExponent(size)) : 0;
  }
}
