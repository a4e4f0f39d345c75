package io.quern.conformance;

import io.quern.DType;
import java.util.SplittableRandom;

/** Where the values of an input come from. */
@FunctionalInterface
public interface Values {
  /** {@code count} values for {@code dtype}, the same ones for the same random state. */
  double[] draw(DType dtype, int count, SplittableRandom random);

  /** Both signs, of moderate size. */
  static Values signed() {
    return (dtype, count, random) ->
        switch (dtype) {
          case BOOL -> random.ints(count, 0, 2).asDoubleStream().toArray();
          case U64, U32, U16, U8 -> random.ints(count, 0, 20).asDoubleStream().toArray();
          case I8, I16, I32, I64 -> random.ints(count, -20, 21).asDoubleStream().toArray();
          default -> random.doubles(count, -3, 3).toArray();
        };
  }

  /** Evenly distributed in an interval. */
  static Values uniform(double low, double high) {
    return (dtype, count, random) -> random.doubles(count, low, high).toArray();
  }

  /** Whole numbers from {@code low} to below {@code high}. */
  static Values integers(int low, int high) {
    return (dtype, count, random) -> random.ints(count, low, high).asDoubleStream().toArray();
  }

  /** Both signs, with a distance from zero. */
  static Values awayFromZero() {
    return (dtype, count, random) ->
        dtype.isFloat()
            ? signs(random.doubles(count, 0.25, 3).toArray(), random)
            : dtype.isUnsigned()
                ? random.ints(count, 1, 20).asDoubleStream().toArray()
                : signs(random.ints(count, 1, 20).asDoubleStream().toArray(), random);
  }

  /** Both signs, with a distance from multiples of one half. */
  static Values awayFromHalves() {
    return (dtype, count, random) -> {
      double[] values = new double[count];
      for (int i = 0; i < count; i++) {
        values[i] = random.nextInt(-8, 8) * 0.5 + random.nextDouble(0.125, 0.375);
      }
      return values;
    };
  }

  /** Both signs and all magnitudes from {@code 2^-exponent} to {@code 2^exponent}. */
  static Values wide(int exponent) {
    return (dtype, count, random) -> {
      double[] values = new double[count];
      for (int i = 0; i < count; i++) {
        values[i] = Math.pow(2, random.nextDouble(-exponent, exponent));
      }
      return signs(values, random);
    };
  }

  /** A permutation of values with a distance from each other, so that there are no ties. */
  static Values distinct() {
    return (dtype, count, random) -> {
      double[] values = new double[count];
      for (int i = 0; i < count; i++) {
        values[i] = (i - count / 2) * 0.125 + 0.03125;
      }
      for (int i = count - 1; i > 0; i--) {
        int j = random.nextInt(i + 1);
        double swapped = values[i];
        values[i] = values[j];
        values[j] = swapped;
      }
      return values;
    };
  }

  /** The given values, again and again. */
  static Values of(double... values) {
    return (dtype, count, random) -> {
      double[] repeated = new double[count];
      for (int i = 0; i < count; i++) {
        repeated[i] = values[i % values.length];
      }
      return repeated;
    };
  }

  /** What floats have at their edges: zeros, subnormals, extremes, infinities, NaN. */
  static Values specials() {
    return (dtype, count, random) -> of(specials(dtype)).draw(dtype, count, random);
  }

  /** {@link #specials} in an order that pairs each with each over two inputs of 1024 elements. */
  static Values specialsSlowly() {
    return (dtype, count, random) -> {
      double[] specials = specials(dtype);
      double[] values = new double[count];
      for (int i = 0; i < count; i++) {
        values[i] = specials[i / specials.length % specials.length];
      }
      return values;
    };
  }

  private static double[] specials(DType dtype) {
    double least = leastPositive(dtype);
    double normal = leastNormal(dtype);
    double most = greatest(dtype);
    double epsilon = dtype.epsilon();
    return new double[] {
      0,
      -0.0,
      1,
      -1,
      0.5,
      -0.5,
      1 + epsilon,
      1 - epsilon / 2,
      2.5,
      -2.5,
      3.5,
      1.5,
      least,
      -least,
      3 * least,
      normal,
      -normal,
      normal - least,
      most,
      -most,
      most / 2,
      88,
      -88,
      87.5,
      -87.5,
      104,
      -104,
      1e-3,
      -1e-3,
      Math.PI,
      -Math.PI / 2,
      Double.NaN,
      Double.POSITIVE_INFINITY,
      Double.NEGATIVE_INFINITY
    };
  }

  /** The smallest positive number of a float type. */
  static double leastPositive(DType dtype) {
    return dtype == DType.F64 ? Double.MIN_VALUE : leastNormal(dtype) * dtype.epsilon();
  }

  /** The smallest positive number of a float type that has full precision. */
  static double leastNormal(DType dtype) {
    return switch (dtype) {
      case F64 -> Double.MIN_NORMAL;
      case F16 -> 0x1p-14;
      default -> 0x1p-126;
    };
  }

  /** The greatest finite number of a float type. */
  static double greatest(DType dtype) {
    return switch (dtype) {
      case F64 -> Double.MAX_VALUE;
      case F16 -> 65504;
      default -> (2 - dtype.epsilon()) * 0x1p127;
    };
  }

  private static double[] signs(double[] values, SplittableRandom random) {
    for (int i = 0; i < values.length; i++) {
      values[i] = random.nextBoolean() ? values[i] : -values[i];
    }
    return values;
  }
}
