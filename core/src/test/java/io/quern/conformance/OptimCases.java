package io.quern.conformance;

import io.quern.DType;
import io.quern.Shape;
import io.quern.op.AdamStep;
import io.quern.op.Op;
import io.quern.op.SgdStep;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Cases for {@link SgdStep} and {@link AdamStep}. */
final class OptimCases {
  private static final DType[] FLOATS = {DType.F32, DType.F64, DType.F16, DType.BF16};

  private OptimCases() {}

  static void addTo(List<OpCase> cases) {
    for (boolean nesterov : new boolean[] {false, true}) {
      for (double momentum : new double[] {0, 0.9}) {
        for (double decay : new double[] {0, 0.05}) {
          for (int size : OpCases.SIZES) {
            cases.add(sgd(momentum, nesterov, decay, DType.F32, Shape.of(size)));
          }
        }
      }
    }
    for (boolean decoupled : new boolean[] {false, true}) {
      for (double decay : new double[] {0, 0.05}) {
        for (int size : OpCases.SIZES) {
          cases.add(adam(decay, decoupled, DType.F32, Shape.of(size)));
        }
      }
    }
    cases.add(sgd(0.9, false, 0.01, DType.F32, Shape.of(OpCases.LARGE)));
    cases.add(adam(0.01, true, DType.F32, Shape.of(OpCases.LARGE)));
    for (DType dtype : FLOATS) {
      cases.add(sgd(0.9, true, 0.01, dtype, Shape.of(5, 3, 9)));
      cases.add(adam(0.01, true, dtype, Shape.of(5, 3, 9)));
    }
  }

  private static OpCase sgd(
      double momentum, boolean nesterov, double decay, DType dtype, Shape shape) {
    SgdStep op = new SgdStep(momentum, nesterov, decay);
    String remark = "momentum " + momentum + " decay " + decay + (nesterov ? " nesterov" : "");
    return OpCase.of(
            op,
            Tolerance.scaled(8, OptimCases::magnitudes),
            remark,
            Input.of(dtype, shape, Values.signed()),
            Input.of(dtype, shape, Values.signed()),
            Input.of(dtype, shape, Values.signed()),
            Input.of(dtype, Shape.of(1), Values.of(0.1)))
        .inPlace(Map.of(0, 0, 1, 2));
  }

  private static OpCase adam(double decay, boolean decoupled, DType dtype, Shape shape) {
    AdamStep op = new AdamStep(0.9, 0.999, 1e-8, decay, decoupled);
    String remark = "decay " + decay + (decoupled ? " decoupled" : "");
    return OpCase.of(
            op,
            Tolerance.scaled(16, OptimCases::magnitudes),
            remark,
            Input.of(dtype, shape, Values.signed()),
            Input.of(dtype, shape, Values.awayFromZero()),
            Input.of(dtype, shape, Values.signed()),
            Input.of(dtype, shape, Values.uniform(0.01, 2)),
            Input.of(dtype, Shape.of(3), Values.of(0.125, 0.1875, 0.015625)))
        .inPlace(Map.of(0, 0, 1, 2, 2, 3));
  }

  /** The step on absolute values; with a negative rate it adds where the true step subtracts. */
  private static List<HostArray> magnitudes(Op op, List<HostArray> inputs) {
    List<HostArray> absolute = new ArrayList<>(inputs.stream().map(HostArray::absolute).toList());
    HostArray scalars = inputs.getLast();
    double[] negated = scalars.values().clone();
    negated[0] = -negated[0];
    absolute.set(absolute.size() - 1, new HostArray(scalars.spec(), negated));
    return Oracle.run(op, absolute);
  }
}
