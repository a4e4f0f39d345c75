package io.quern.conformance;

import io.quern.op.Op;
import io.quern.op.TensorSpec;
import java.util.List;

/** Compares what a device computed for a case with the exact results. */
public final class Comparison {
  private final OpCase opCase;
  private final String computedBy;

  /** A comparison of what {@code computedBy} gives for {@code opCase}. */
  public Comparison(OpCase opCase, String computedBy) {
    this.opCase = opCase;
    this.computedBy = computedBy;
  }

  /** Throws an error that names the first wrong element, unless all are within the tolerance. */
  public void check(List<HostArray> bases, List<HostArray> results) {
    Op op = Oracle.inDouble(opCase.op());
    List<HostArray> inputs = opCase.through(bases).stream().map(HostArray::inDouble).toList();
    List<HostArray> expected = Oracle.run(op, inputs);
    List<HostArray> magnitudes = opCase.tolerance().magnitudes(op, inputs);
    for (int output = 0; output < expected.size(); output++) {
      double[] magnitude =
          magnitudes.isEmpty()
              ? new double[expected.get(output).values().length]
              : magnitudes.get(output).values();
      compare(output, expected.get(output).values(), magnitude, results.get(output));
    }
  }

  private void compare(int output, double[] expected, double[] magnitude, HostArray actual) {
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
