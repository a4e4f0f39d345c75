package io.quern.conformance;

import io.quern.DType;
import io.quern.Shape;
import io.quern.op.LayerNorm;
import io.quern.op.LogSoftmax;
import io.quern.op.Op;
import io.quern.op.Softmax;
import java.util.List;

/** Cases for {@link Softmax}, {@link LogSoftmax} and {@link LayerNorm}. */
final class CompositeCases {
  private static final DType[] FLOATS = {DType.F32, DType.F64, DType.F16, DType.BF16};

  private CompositeCases() {}

  static void addTo(List<OpCase> cases) {
    for (boolean log : new boolean[] {false, true}) {
      for (int size : OpCases.SIZES) {
        if (size > 0) {
          cases.add(softmax(log, 1, DType.F32, Shape.of(3, size), Values.signed(), ""));
          cases.add(softmax(log, 0, DType.F32, Shape.of(size, 3), Values.signed(), ""));
        }
      }
      for (int axis : new int[] {0, 1, 2, -1}) {
        for (Input.Form form : Input.Form.values()) {
          Input input = Input.of(DType.F32, Shape.of(4, 3, 5), Values.signed(), form);
          cases.add(softmax(log, axis, input, form.name()).differentiable());
        }
      }
      for (DType dtype : FLOATS) {
        Shape shape = Shape.of(7, 33);
        cases.add(softmax(log, 1, dtype, shape, Values.uniform(-60, 60), "to 60"));
        cases.add(softmax(log, 1, dtype, shape, Values.of(1000, 999, 1001), "shifted"));
        Values masked = Values.of(1, Double.NEGATIVE_INFINITY, -2, 3);
        cases.add(softmax(log, 1, dtype, shape, masked, "masked"));
        Values nan = Values.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, Double.NaN);
        cases.add(softmax(log, 1, dtype, Shape.of(7, 5), nan, "with NaN"));
        Values infinite = Values.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, Double.POSITIVE_INFINITY);
        cases.add(softmax(log, 1, dtype, Shape.of(7, 5), infinite, "with infinity"));
      }
      cases.add(softmax(log, 1, DType.F32, Shape.of(0, 4), Values.signed(), ""));
      cases.add(softmax(log, 1, DType.F32, Shape.of(301, 257), Values.signed(), ""));
      cases.add(softmax(log, 1, DType.F32, Shape.of(9, 130, 61), Values.signed(), ""));
      cases.add(softmax(log, 0, DType.F32, Shape.of(7), Values.signed(), ""));
    }
    layerNorms(cases);
  }

  private static OpCase softmax(
      boolean log, int axis, DType dtype, Shape shape, Values values, String remark) {
    return softmax(log, axis, Input.of(dtype, shape, values), remark);
  }

  private static OpCase softmax(boolean log, int axis, Input input, String remark) {
    Op op = log ? new LogSoftmax(axis) : new Softmax(axis);
    long length = input.spec().shape().dim(axis);
    Tolerance tolerance =
        Tolerance.chain(
            8, length, (exact, inputs) -> log ? logMagnitude(inputs) : magnitude(exact, inputs));
    return OpCase.of(op, tolerance, "axis " + axis + " " + remark, input);
  }

  /** The rounding of x - max is a relative error of that size after exp. */
  private static List<HostArray> magnitude(Op op, List<HostArray> inputs) {
    HostArray result = Oracle.run(op, inputs).getFirst();
    double range = 1 + 2 * largest(inputs.getFirst());
    double[] sizes = result.values().clone();
    for (int i = 0; i < sizes.length; i++) {
      sizes[i] *= range / 8;
    }
    return List.of(new HostArray(result.spec(), sizes));
  }

  /** The absolute errors of x - max, of the logarithm and of the difference. */
  private static List<HostArray> logMagnitude(List<HostArray> inputs) {
    HostArray input = inputs.getFirst();
    double[] sizes = new double[input.values().length];
    java.util.Arrays.fill(sizes, 1 + largest(input));
    return List.of(new HostArray(input.spec(), sizes));
  }

  private static double largest(HostArray array) {
    double largest = 0;
    for (double value : array.values()) {
      largest = Double.isFinite(value) ? Math.max(largest, Math.abs(value)) : largest;
    }
    return largest;
  }

  private static void layerNorms(List<OpCase> cases) {
    for (int size : OpCases.SIZES) {
      if (size > 0) {
        cases.add(layerNorm(1, 1e-5, DType.F32, Shape.of(4, size), Input.Form.PLAIN));
      }
    }
    for (int dims = 1; dims <= 3; dims++) {
      for (Input.Form form : Input.Form.values()) {
        cases.add(layerNorm(dims, 1e-3, DType.F32, Shape.of(4, 3, 5), form).differentiable());
      }
    }
    for (DType dtype : FLOATS) {
      cases.add(layerNorm(1, 1e-5, dtype, Shape.of(5, 65), Input.Form.PLAIN));
    }
    cases.add(layerNorm(1, 1e-5, DType.F32, Shape.of(0, 7), Input.Form.PLAIN));
    cases.add(layerNorm(1, 1e-5, DType.F32, Shape.of(301, 257), Input.Form.PLAIN));
  }

  private static OpCase layerNorm(
      int dims, double epsilon, DType dtype, Shape shape, Input.Form form) {
    Shape normalised = shape.slice(shape.rank() - dims, shape.rank());
    return OpCase.of(
        new LayerNorm(dims, epsilon),
        Tolerance.chain(8, normalised.size(), CompositeCases::layerNormMagnitude),
        dims + " dims, epsilon " + epsilon + " " + form,
        Input.of(dtype, shape, Values.signed(), form),
        Input.of(dtype, normalised, Values.signed(), form),
        Input.of(dtype, normalised, Values.signed()));
  }

  /**
   * With z the normalised input: the mean is known to eps * k * mean|x|, so z to that over the
   * deviation; the relative error of the deviation, k * eps and what the error of the mean adds,
   * counts |z| times.
   */
  private static List<HostArray> layerNormMagnitude(Op op, List<HostArray> inputs) {
    LayerNorm norm = (LayerNorm) op;
    double[] x = inputs.get(0).values();
    double[] gamma = inputs.get(1).values();
    double[] beta = inputs.get(2).values();
    int length = gamma.length;
    double[] sizes = new double[x.length];
    for (int row = 0; row < x.length; row += length) {
      double sum = 0;
      double largest = 0;
      for (int i = 0; i < length; i++) {
        sum += x[row + i];
        largest = Math.max(largest, Math.abs(x[row + i]));
      }
      double squares = 0;
      for (int i = 0; i < length; i++) {
        squares += Math.pow(x[row + i] - sum / length, 2);
      }
      double deviation = Math.sqrt(squares / length + norm.epsilon());
      for (int i = 0; i < length; i++) {
        double z = Math.abs(x[row + i] - sum / length) / deviation;
        double error = largest / deviation * (1 + z) + z;
        sizes[row + i] = error * Math.abs(gamma[i]) + Math.abs(beta[i]);
      }
    }
    return List.of(new HostArray(inputs.getFirst().spec(), sizes));
  }
}
