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
 * Compares the gradients of a case on a device with central differences of the reference in double
 * precision. The function differentiated is the sum of the output's elements times fixed random
 * weights. The reference device computes its gradients in double precision too, others in the
 * case's own types.
 */
public final class GradientCheck {
  /** Elements of each input that are moved, where the formulas themselves are checked. */
  private static final int REFERENCE_SAMPLES = 24;

  /** Those on devices, whose ops of gradients have cases of their own. */
  private static final int SAMPLES = 2;

  private static final double STEP = 1e-4;

  private final OpCase opCase;
  private final Device device;
  private final OpCase inDouble;
  private final List<HostArray> bases;
  private final int samples;
  private final HostArray weights;

  private GradientCheck(OpCase opCase, Device device) {
    this.inDouble = opCase.inDouble();
    boolean reference = device.equals(Device.reference());
    this.opCase = reference ? inDouble : opCase;
    this.samples = reference ? REFERENCE_SAMPLES : SAMPLES;
    this.device = device;
    this.bases = this.opCase.drawBases();
    var output = this.opCase.outputSpecs().getFirst();
    int outputs = Math.toIntExact(output.shape().size());
    this.weights =
        HostArray.rounded(output, new SplittableRandom(7).doubles(outputs, -1, 1).toArray());
  }

  /**
   * Checks the gradients for all float inputs.
   *
   * @throws AssertionError if one differs
   */
  public static void run(OpCase opCase, Device device) {
    new GradientCheck(opCase, device).run();
  }

  private void run() {
    List<double[]> gradients = gradients();
    SplittableRandom random = new SplittableRandom(11);
    for (int input = 0; input < bases.size(); input++) {
      int size = bases.get(input).values().length;
      for (int sample = 0;
          gradients.get(input) != null && sample < Math.min(size, samples);
          sample++) {
        int element = size <= samples ? sample : random.nextInt(size);
        compare(input, element, gradients.get(input)[element]);
      }
    }
  }

  /** The gradients by the tape; null for inputs that are not floats. */
  private List<double[]> gradients() {
    try (var _ = TensorScope.open()) {
      List<Tensor> leaves = new ArrayList<>();
      for (HostArray base : bases) {
        Tensor leaf = TensorCheck.tensor(base, device);
        leaves.add(base.dtype().isFloat() ? leaf.requireGrad() : leaf);
      }
      Tensor[] seen = TensorCheck.seen(opCase, leaves).toArray(Tensor[]::new);
      Tensor output = Tensor.apply(opCase.op(), seen);
      Gradients found = output.mul(TensorCheck.tensor(weights, device)).sum().backward();
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
   * large it is; rounding adds the error of the sum over the step. The gradient itself is a sum
   * over the outputs with an error for each of its terms. A term may be a difference already, such
   * as the one to a mean; what it is the difference of has the size of the output, because inputs
   * have the size of one.
   */
  private void compare(int input, int element, double gradient) {
    Difference wide = difference(input, element, 2 * STEP);
    Difference narrow = difference(input, element, STEP);
    double bound =
        Math.abs(wide.slope - narrow.slope)
            + narrow.error
            + wide.error
            + roundings() * bases.get(input).dtype().epsilon() * narrow.size;
    if (!(Math.abs(gradient - narrow.slope) <= bound)) {
      throw new AssertionError(
          String.format(
              "%s: the gradient for element %d of input %d is %s, by differences %s, bound %s",
              opCase, element, input, gradient, narrow.slope, bound));
    }
  }

  private double roundings() {
    return 64 + weights.values().length;
  }

  /**
   * A derivative.
   *
   * @param size the sum of the absolute values that the gradient is the sum of
   */
  private record Difference(double slope, double error, double size) {}

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
    double error = 0;
    for (int i = 0; i < above.length; i++) {
      double weight = weights.values()[i];
      sum += weight * (above[i] - below[i]);
      size += Math.abs(weight) * (Math.abs(above[i] - below[i]) / (2 * step) + Math.abs(above[i]));
      error += Math.abs(weight) * (1 + Math.abs(above[i]) + Math.abs(below[i]));
    }
    return new Difference(
        sum / (2 * step), roundings() * DType.F64.epsilon() * error / (2 * step), size);
  }

  private double[] forward() {
    List<HostArray> inputs = bases.stream().map(HostArray::inDouble).toList();
    return Oracle.run(inDouble.op(), inDouble.through(inputs)).getFirst().values();
  }
}
