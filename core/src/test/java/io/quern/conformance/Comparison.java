package io.quern.conformance;

import io.quern.op.Op;
import io.quern.op.TensorSpec;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Compares what devices computed for a case with the exact results, which it computes once. Not
 * thread-safe.
 */
public final class Comparison {
  private final OpCase opCase;
  private @Nullable Exact exact;

  /** A comparison for the inputs that {@code opCase} draws. */
  public Comparison(OpCase opCase) {
    this.opCase = opCase;
  }

  /** The case. */
  public OpCase opCase() {
    return opCase;
  }

  private record Exact(List<HostArray> results, List<HostArray> magnitudes) {
    /** Integers that must be exact say themselves which floats they come from. */
    static Exact of(OpCase opCase) {
      if (opCase.tolerance() instanceof Tolerance.Exact
          && opCase.outputSpecs().stream().noneMatch(spec -> spec.dtype().isFloat())) {
        List<HostArray> inputs = opCase.through(opCase.drawBases());
        return new Exact(Oracle.run(opCase.op(), inputs), List.of());
      }
      Op op = Oracle.inDouble(opCase.op());
      List<HostArray> inputs =
          opCase.through(opCase.drawBases()).stream().map(HostArray::inDouble).toList();
      return new Exact(Oracle.run(op, inputs), opCase.tolerance().magnitudes(op, inputs));
    }

    double[] values(int output) {
      return results.get(output).values();
    }

    double[] magnitude(int output) {
      return magnitudes.isEmpty()
          ? new double[values(output).length]
          : magnitudes.get(output).values();
    }
  }

  /**
   * Throws an error that names the first wrong element, unless all of what {@code computedBy} gives
   * are within the tolerance.
   */
  public void check(String computedBy, List<HostArray> computed) {
    if (exact == null) {
      exact = Exact.of(opCase);
    }
    for (int output = 0; output < exact.results.size(); output++) {
      compare(output, exact, computed.get(output), computedBy);
    }
  }

  private void compare(int output, Exact exact, HostArray actual, String computedBy) {
    double[] expected = exact.values(output);
    double[] magnitude = exact.magnitude(output);
    TensorSpec spec = opCase.outputSpecs().get(output);
    if (!spec.equals(actual.spec())) {
      throw new AssertionError(opCase + ": expected " + spec + ", found " + actual.spec());
    }
    int wrong = 0;
    int first = -1;
    for (int i = 0; i < expected.length; i++) {
      double value = actual.values()[i];
      if (!opCase.tolerance().accepts(spec.dtype(), expected[i], magnitude[i], value)) {
        first = wrong == 0 ? i : first;
        wrong++;
      }
    }
    if (wrong > 0) {
      throw new AssertionError(
          String.format(
              "%s by %s: %d of %d elements are wrong; element %d of output %d is %s, expected %s"
                  + " (exact result %s), tolerance %s, magnitude %s",
              opCase,
              computedBy,
              wrong,
              expected.length,
              first,
              output,
              actual.values()[first],
              HostArray.round(spec.dtype(), expected[first]),
              expected[first],
              opCase.tolerance(),
              magnitude[first]));
    }
  }
}
