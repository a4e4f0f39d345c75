package io.quern.conformance;

import io.quern.DType;
import io.quern.Shape;
import io.quern.op.Binary;
import io.quern.op.GroupNorm;
import io.quern.op.LayerNorm;
import io.quern.op.LogSoftmax;
import io.quern.op.NormGrad;
import io.quern.op.Op;
import io.quern.op.Reduce;
import io.quern.op.RmsNorm;
import io.quern.op.Softmax;
import io.quern.op.SoftmaxGrad;
import io.quern.op.Unary;
import java.util.List;

/** Cases for {@link Softmax}, {@link LogSoftmax} and the normalisations. */
final class CompositeCases {
  private static final DType[] FLOATS = {DType.F32, DType.F64, DType.F16, DType.BF16};

  /** Lengths of rows that backends share among a few threads or many, or don't keep whole. */
  private static final int[] LONG = {516, 2001, 8192, 20_001, 20_004};

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
      for (int size : LONG) {
        cases.add(softmax(log, 1, DType.F32, Shape.of(3, size), Values.signed(), ""));
        Values masked = startingWith(9000, Double.NEGATIVE_INFINITY);
        cases.add(softmax(log, 1, DType.F32, Shape.of(2, size), masked, "masked at first"));
        Values nan = startingWith(1, Double.NaN);
        cases.add(softmax(log, 1, DType.F32, Shape.of(2, size), nan, "with NaN"));
      }
      cases.add(softmax(log, 1, DType.F32, Shape.of(0, 4), Values.signed(), ""));
      cases.add(softmax(log, 1, DType.F32, Shape.of(301, 257), Values.signed(), ""));
      cases.add(softmax(log, 1, DType.F32, Shape.of(140, 16_390), Values.signed(), ""));
      cases.add(softmax(log, 1, DType.F32, Shape.of(9, 130, 61), Values.signed(), ""));
      cases.add(softmax(log, 0, DType.F32, Shape.of(7), Values.signed(), ""));
    }
    softmaxGrads(cases);
    layerNorms(cases);
    norms(cases);
  }

  /** Numbers of both signs, the first {@code count} replaced. */
  private static Values startingWith(int count, double value) {
    return (dtype, size, random) -> {
      double[] values = Values.signed().draw(dtype, size, random);
      java.util.Arrays.fill(values, 0, Math.min(count, size), value);
      return values;
    };
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
    for (int size : LONG) {
      cases.add(layerNorm(1, 1e-5, DType.F32, Shape.of(3, size), Input.Form.PLAIN));
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

  private static void softmaxGrads(List<OpCase> cases) {
    for (boolean log : new boolean[] {false, true}) {
      for (int size : OpCases.SIZES) {
        cases.add(softmaxGrad(log, 1, DType.F32, Shape.of(3, size), Input.Form.PLAIN));
        cases.add(softmaxGrad(log, 0, DType.F32, Shape.of(size, 2), Input.Form.PLAIN));
      }
      for (int size : LONG) {
        cases.add(softmaxGrad(log, 1, DType.F32, Shape.of(3, size), Input.Form.PLAIN));
      }
      for (DType dtype : new DType[] {DType.F64, DType.F16, DType.BF16}) {
        cases.add(softmaxGrad(log, 1, dtype, Shape.of(7, 33), Input.Form.PLAIN));
      }
      for (Input.Form form : Input.Form.values()) {
        Shape shape = Shape.of(4, 3, 5);
        cases.add(softmaxGrad(log, 1, DType.F32, shape, form).differentiable());
        cases.add(softmaxGrad(log, -1, DType.F32, shape, form));
      }
      cases.add(softmaxGrad(log, 1, DType.F32, Shape.of(301, 257), Input.Form.PLAIN));
      cases.add(softmaxGrad(log, 1, DType.F32, Shape.of(140, 8210), Input.Form.PLAIN));
    }
  }

  private static OpCase softmaxGrad(
      boolean log, int axis, DType dtype, Shape shape, Input.Form form) {
    return OpCase.of(
        new SoftmaxGrad(axis, log),
        Tolerance.chain(8, shape.dim(axis), CompositeCases::softmaxGradMagnitude),
        "axis " + axis + " " + form,
        Input.of(dtype, shape, log ? Values.uniform(-8, 0) : Values.uniform(0, 1), form),
        Input.of(dtype, shape, Values.signed(), form));
  }

  /** The formula on absolute values: y (g + sum(g y)), or g + exp(y) sum(g). */
  private static List<HostArray> softmaxGradMagnitude(Op op, List<HostArray> inputs) {
    SoftmaxGrad grad = (SoftmaxGrad) op;
    HostArray y = inputs.get(0);
    HostArray g = inputs.get(1).absolute();
    List<Integer> axes = List.of(grad.axis());
    Op sum = new Reduce(Reduce.Fn.SUM, axes, true);
    Op mul = new Binary(Binary.Fn.MUL);
    Op add = new Binary(Binary.Fn.ADD);
    if (grad.log()) {
      HostArray exp = Oracle.run(new Unary(Unary.Fn.EXP), List.of(y)).getFirst();
      HostArray sums = Oracle.run(sum, List.of(g)).getFirst();
      HostArray product = Oracle.run(mul, List.of(exp, sums)).getFirst();
      return Oracle.run(add, List.of(g, product));
    }
    HostArray products = Oracle.run(mul, List.of(g, y)).getFirst();
    HostArray sums = Oracle.run(sum, List.of(products)).getFirst();
    return Oracle.run(mul, List.of(y, Oracle.run(add, List.of(g, sums)).getFirst()));
  }

  private static void norms(List<OpCase> cases) {
    for (int size : OpCases.SIZES) {
      if (size > 0) {
        addNorms(1, 1e-5, DType.F32, Shape.of(4, size), Input.Form.PLAIN, false, cases);
      }
    }
    for (int size : LONG) {
      addNorms(1, 1e-5, DType.F32, Shape.of(3, size), Input.Form.PLAIN, false, cases);
    }
    for (int dims = 1; dims <= 3; dims++) {
      for (Input.Form form : Input.Form.values()) {
        addNorms(dims, 1e-3, DType.F32, Shape.of(4, 3, 5), form, true, cases);
      }
    }
    for (DType dtype : new DType[] {DType.F64, DType.F16, DType.BF16}) {
      addNorms(1, 1e-5, dtype, Shape.of(5, 65), Input.Form.PLAIN, false, cases);
    }
    addNorms(1, 1e-5, DType.F32, Shape.of(0, 7), Input.Form.PLAIN, false, cases);
    addNorms(1, 1e-5, DType.F32, Shape.of(301, 257), Input.Form.PLAIN, false, cases);
    addNorms(1, 1e-5, DType.F32, Shape.of(2500, 64), Input.Form.PLAIN, false, cases);
    for (Input.Form form : Input.Form.values()) {
      groupNorm(2, DType.F32, Shape.of(3, 4, 3, 5), form, true, cases);
    }
    for (DType dtype : new DType[] {DType.F64, DType.F16, DType.BF16}) {
      groupNorm(2, dtype, Shape.of(3, 4, 9), Input.Form.PLAIN, false, cases);
    }
    groupNorm(1, DType.F32, Shape.of(3, 4), Input.Form.PLAIN, true, cases);
    groupNorm(6, DType.F32, Shape.of(2, 6, 17), Input.Form.PLAIN, false, cases);
    groupNorm(4, DType.F32, Shape.of(5, 64, 14, 14), Input.Form.PLAIN, false, cases);
    groupNorm(2, DType.F32, Shape.of(2, 4, 71, 73), Input.Form.PLAIN, false, cases);
    groupNorm(4, DType.F32, Shape.of(0, 8, 3), Input.Form.PLAIN, false, cases);
  }

  /** Inputs of at least 1/4, so that rows of one element have a slope that differences can see. */
  private static void addNorms(
      int dims,
      double epsilon,
      DType dtype,
      Shape shape,
      Input.Form form,
      boolean differentiable,
      List<OpCase> cases) {
    Shape normalised = shape.slice(shape.rank() - dims, shape.rank());
    Input x = Input.of(dtype, shape, Values.awayFromZero(), form);
    Input gamma = Input.of(dtype, normalised, Values.signed(), form);
    Input gradient = Input.of(dtype, shape, Values.signed(), form);
    String remark = dims + " dims, epsilon " + epsilon + " " + form;
    OpCase rms =
        OpCase.of(
            new RmsNorm(dims, epsilon),
            Tolerance.chain(8, normalised.size(), CompositeCases::rmsMagnitude),
            remark,
            x,
            gamma);
    cases.add(differentiable ? rms.differentiable() : rms);
    long rows = shape.size() / Math.max(1, normalised.size());
    for (boolean centred : new boolean[] {false, true}) {
      cases.add(
          OpCase.of(
              new NormGrad(dims, epsilon, centred),
              Tolerance.chain(
                  16,
                  4 * normalised.size() + rows,
                  (op, inputs) -> normGradMagnitude((NormGrad) op, inputs)),
              remark,
              x,
              gamma,
              gradient));
    }
  }

  /** The sum of squares has no cancellation, so its error is relative, as are the others. */
  private static List<HostArray> rmsMagnitude(Op op, List<HostArray> inputs) {
    return Oracle.run(op, inputs).stream().map(HostArray::absolute).toList();
  }

  /**
   * With e the error of z, in units of eps * k, as in {@link #layerNormMagnitude}, the terms of the
   * formula on absolute values, each with e where z stands, and the deviation's error, which is
   * relative.
   */
  private static List<HostArray> normGradMagnitude(NormGrad op, List<HostArray> inputs) {
    double[] x = inputs.get(0).values();
    double[] gamma = inputs.get(1).absolute().values();
    double[] g = inputs.get(2).absolute().values();
    int length = gamma.length;
    double[] dx = new double[x.length];
    double[] dGamma = new double[length];
    double[] dBeta = new double[length];
    for (int row = 0; row < x.length; row += length) {
      double mean = 0;
      double largest = 0;
      for (int i = 0; i < length; i++) {
        mean += op.centred() ? x[row + i] / length : 0;
        largest = Math.max(largest, Math.abs(x[row + i]));
      }
      double squares = 0;
      for (int i = 0; i < length; i++) {
        squares += Math.pow(x[row + i] - mean, 2) / length;
      }
      double scale = 1 / Math.sqrt(squares + op.epsilon());
      double relative = 1 + largest * scale;
      double sum = 0;
      double product = 0;
      for (int i = 0; i < length; i++) {
        double z = relative * (1 + Math.abs(x[row + i] - mean) * scale);
        sum += g[row + i] * gamma[i] / length;
        product += g[row + i] * gamma[i] * z / length;
        dGamma[i] += g[row + i] * z;
        dBeta[i] += g[row + i];
      }
      for (int i = 0; i < length; i++) {
        double z = 1 + Math.abs(x[row + i] - mean) * scale;
        dx[row + i] = relative * scale * (g[row + i] * gamma[i] + sum + z * relative * product);
      }
    }
    List<HostArray> sizes = new java.util.ArrayList<>();
    sizes.add(new HostArray(inputs.get(0).spec(), dx));
    sizes.add(new HostArray(inputs.get(1).spec(), dGamma));
    if (op.centred()) {
      sizes.add(new HostArray(inputs.get(1).spec(), dBeta));
    }
    return sizes;
  }

  private static void groupNorm(
      int groups,
      DType dtype,
      Shape shape,
      Input.Form form,
      boolean differentiable,
      List<OpCase> cases) {
    long length = shape.slice(1, shape.rank()).size() / groups;
    OpCase opCase =
        OpCase.of(
            new GroupNorm(groups, 1e-3),
            Tolerance.chain(8, length, CompositeCases::groupNormMagnitude),
            groups + " groups " + form,
            Input.of(dtype, shape, Values.signed(), form),
            Input.of(dtype, Shape.of(shape.dim(1)), Values.signed(), form),
            Input.of(dtype, Shape.of(shape.dim(1)), Values.signed()));
    cases.add(differentiable ? opCase.differentiable() : opCase);
  }

  /** That of a layer norm of the groups, with the channels' weights spread over the pixels. */
  private static List<HostArray> groupNormMagnitude(Op op, List<HostArray> inputs) {
    GroupNorm norm = (GroupNorm) op;
    Shape shape = inputs.getFirst().shape();
    int channels = shape.intDim(1);
    int pixels = Math.toIntExact(shape.slice(2, shape.rank()).size());
    int perGroup = channels / norm.groups();
    int length = perGroup * pixels;
    double[] sizes = new double[inputs.getFirst().values().length];
    for (int row = 0; length > 0 && row < sizes.length / length; row++) {
      double[] x = new double[length];
      double[] gamma = new double[length];
      double[] beta = new double[length];
      for (int i = 0; i < length; i++) {
        int channel = row % norm.groups() * perGroup + i / pixels;
        x[i] = inputs.getFirst().values()[row * length + i];
        gamma[i] = inputs.get(1).values()[channel];
        beta[i] = inputs.get(2).values()[channel];
      }
      List<HostArray> one =
          java.util.stream.Stream.of(x, gamma, beta)
              .map(values -> HostArray.of(DType.F64, Shape.of(length), values))
              .toList();
      double[] magnitude =
          layerNormMagnitude(new LayerNorm(1, norm.epsilon()), one).getFirst().values();
      System.arraycopy(magnitude, 0, sizes, row * length, length);
    }
    return List.of(new HostArray(inputs.getFirst().spec(), sizes));
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
