package io.quern.cli;

import io.quern.DType;
import io.quern.Tensor;
import io.quern.onnx.ElementType;
import io.quern.onnx.OnnxValue;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Compares values as the ONNX project's own runner does: numbers may differ by {@code 1e-7 + 1e-3 *
 * |expected|}, those of BF16 by two units in their last place; all else must be the same. Remembers
 * the first difference and the largest error.
 */
final class OnnxComparison {
  private static final double RELATIVE = 1e-3;
  private static final double ABSOLUTE = 1e-7;

  private double largest;
  private @Nullable String problem;

  /** The first difference that is too large. */
  Optional<String> problem() {
    return Optional.ofNullable(problem);
  }

  /** The largest error as a share of what is allowed. */
  String largest() {
    return String.format(Locale.ROOT, "largest error %.2g of what is allowed", largest);
  }

  /** Compares one output. */
  void compare(String name, OnnxValue expected, @Nullable OnnxValue found) {
    if (problem != null) {
      return;
    }
    if (expected instanceof OnnxValue.Dense(Tensor wanted, ElementType type)
        && found instanceof OnnxValue.Dense(Tensor given, ElementType other)) {
      if (type != other || !wanted.shape().equals(given.shape())) {
        problem(name, expected.kind(), found.kind());
      } else {
        numbers(name, wanted, given);
      }
    } else if (expected instanceof OnnxValue.Sequence(List<OnnxValue> wanted)
        && found instanceof OnnxValue.Sequence(List<OnnxValue> given)
        && wanted.size() == given.size()) {
      for (int i = 0; i < wanted.size(); i++) {
        compare(name + "[" + i + "]", wanted.get(i), given.get(i));
      }
    } else if (expected instanceof OnnxValue.Optional(OnnxValue wanted) && wanted != null) {
      compare(name, wanted, found instanceof OnnxValue.Optional(OnnxValue given) ? given : found);
    } else if (!expected.equals(found)) {
      problem(name, describe(expected), describe(found));
    }
  }

  private static String describe(@Nullable OnnxValue value) {
    return switch (value) {
      case null -> "nothing";
      case OnnxValue.Strings strings -> value.kind() + " " + strings.elements();
      default -> value.kind();
    };
  }

  /**
   * The share by which numbers may differ. BF16 has 8 bits, so a unit in the last place is up to
   * 2^-7 of a number, far more than the share of other types, and two roundings may differ by two.
   */
  private static double relative(DType dtype) {
    return dtype == DType.BF16 ? 2 * dtype.epsilon() : RELATIVE;
  }

  private void numbers(String name, Tensor expected, Tensor found) {
    double relative = relative(expected.dtype());
    double[] wanted = expected.toDoubleArray();
    double[] given = found.toDoubleArray();
    for (int i = 0; i < wanted.length; i++) {
      if (wanted[i] == given[i] || (Double.isNaN(wanted[i]) && Double.isNaN(given[i]))) {
        continue;
      }
      double share = Math.abs(wanted[i] - given[i]) / (ABSOLUTE + relative * Math.abs(wanted[i]));
      if (!(share <= 1)) {
        problem(name + " element " + i, Double.toString(wanted[i]), Double.toString(given[i]));
        return;
      }
      largest = Math.max(largest, share);
    }
  }

  private void problem(String where, String expected, String found) {
    problem = "output " + where + ": expected " + expected + ", found " + found;
  }
}
