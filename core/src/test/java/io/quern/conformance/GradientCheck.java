package io.quern.conformance;

import io.quern.DType;
import io.quern.Device;
import io.quern.Tensor;
import io.quern.TensorScope;
import io.quern.grad.Gradients;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Compares the gradients of a case with central differences, all in double precision on the
 * reference device. The function differentiated is the sum of the output's elements times fixed
 * random weights.
 */
public final class GradientCheck {
  /** Elements of each input that are moved. */
  private static final int SAMPLES = 24;

  private static final double STEP = 1e-4;

  private final OpCase opCase;
  private final List<HostArray> bases;
  private final double[] weights;

  private GradientCheck(OpCase opCase) {
    this.opCase = opCase.inDouble();
    this.bases = this.opCase.drawBases();
    int outputs = Math.toIntExact(this.opCase.outputSpecs().getFirst().shape().size());
    this.weights = new SplittableRandom(7).doubles(outputs, -1, 1).toArray();
  }

  /**
   * Checks the gradients for all float inputs.
   *
   * @throws AssertionError if one differs
   */
  public static void run(OpCase opCase) {
    new GradientCheck(opCase).run();
  }

  private void run() {
    List<double[]> gradients = gradients();
    SplittableRandom random = new SplittableRandom(11);
    for (int input = 0; input < bases.size(); input++) {
      int size = bases.get(input).values().length;
      for (int sample = 0;
          gradients.get(input) != null && sample < Math.min(size, SAMPLES);
          sample++) {
        int element = size <= SAMPLES ? sample : random.nextInt(size);
        compare(input, element, gradients.get(input)[element]);
      }
    }
  }

  /** The gradients by the tape; null for inputs that are not floats. */
  private List<double[]> gradients() {
    try (var _ = TensorScope.open()) {
      List<Tensor> leaves = new ArrayList<>();
      for (HostArray base : bases) {
        Tensor leaf = TensorCheck.tensor(base, Device.reference());
        leaves.add(base.dtype() == DType.F64 ? leaf.requireGrad() : leaf);
      }
      Tensor[] seen = TensorCheck.seen(opCase, leaves).toArray(Tensor[]::new);
      Tensor output = Tensor.apply(opCase.op(), seen);
      Tensor weight =
          TensorCheck.tensor(HostArray.of(DType.F64, output.shape(), weights), Device.reference());
      Gradients found = output.mul(weight).sum().backward();
      List<double[]> gradients = new ArrayList<>();
      for (Tensor leaf : leaves) {
        gradients.add(
            leaf.requiresGrad()
                ? found
                    .find(leaf)
                    .map(Tensor::toDoubleArray)
                    .orElseGet(() -> new double[Math.toIntExact(leaf.size())])
                : null);
      }
      return gradients;
    }
  }

  /**
   * A difference over 2h has an error of h^2 * f''' / 6, so those over 2h and h together tell how
   * large it is; rounding adds the error of the sum over the step.
   */
  private void compare(int input, int element, double gradient) {
    Difference wide = difference(input, element, 2 * STEP);
    Difference narrow = difference(input, element, STEP);
    double bound = Math.abs(wide.slope - narrow.slope) + narrow.error + wide.error;
    if (!(Math.abs(gradient - narrow.slope) <= bound)) {
      throw new AssertionError(
          String.format(
              "%s: the gradient for element %d of input %d is %s, by differences %s, bound %s",
              opCase, element, input, gradient, narrow.slope, bound));
    }
  }

  private record Difference(double slope, double error) {}

  private Difference difference(int input, int element, double step) {
    double[] values = bases.get(input).values();
    double value = values[element];
    values[element] = value + step;
    double[] above = forward();
    values[element] = value - step;
    double[] below = forward();
    values[element] = value;
    double sum = 0;
    double size = 0;
    for (int i = 0; i < weights.length; i++) {
      sum += weights[i] * (above[i] - below[i]);
      size += Math.abs(weights[i]) * (1 + Math.abs(above[i]) + Math.abs(below[i]));
    }
    double roundings = 64 + weights.length;
    return new Difference(sum / (2 * step), roundings * DType.F64.epsilon() * size / (2 * step));
  }

  private double[] forward() {
    return Oracle.run(opCase.op(), opCase.through(bases)).getFirst().values();
  }
}
