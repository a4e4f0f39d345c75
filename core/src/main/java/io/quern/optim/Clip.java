package io.quern.optim;

import io.quern.Tensor;
import io.quern.TensorScope;
import io.quern.grad.Gradients;
import io.quern.grad.Tape;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;

/** Limits gradients. Results are new tensors; the given gradients stay as they are. */
public final class Clip {
  private Clip() {}

  /**
   * The Euclidean norm of all gradients taken as one vector; NaN or infinite when an element is.
   *
   * @param parameters those that count, by name; such without a gradient count as 0
   */
  public static double norm(Gradients gradients, Map<String, Tensor> parameters) {
    double sum = 0;
    for (Tensor parameter : parameters.values()) {
      sum += gradients.find(parameter).map(Clip::sumOfSquares).orElse(0.0);
    }
    return Math.sqrt(sum);
  }

  private static double sumOfSquares(Tensor gradient) {
    return Tape.withoutRecording(
        () -> {
          try (TensorScope _ = TensorScope.open("a gradient's norm")) {
            double sum = gradient.square().sum().item();
            return Double.isFinite(sum) ? sum : sumOfScaledSquares(gradient);
          }
        });
  }

  /** Finite also where squares overflow the dtype; not finite if an element is not. */
  private static double sumOfScaledSquares(Tensor gradient) {
    double largest = gradient.abs().max().item();
    return gradient.div(largest).square().sum().item() * largest * largest;
  }

  /**
   * Multiplies all gradients by {@code most / norm} if their {@link #norm} is larger than {@code
   * most} (Pascanu et al. 2013).
   *
   * @return the gradients of {@code parameters}; the given ones if nothing is to be done
   * @throws ArithmeticException if a gradient is not finite; the message names the parameter
   */
  public static Gradients byNorm(Gradients gradients, Map<String, Tensor> parameters, double most) {
    checkLimit("norm", most);
    double norm = norm(gradients, parameters);
    if (!Double.isFinite(norm)) {
      requireFinite(gradients, parameters);
      throw new ArithmeticException(
          "clip: the norm of the gradients is too large; lower the learning rate");
    }
    double factor = most / norm;
    return norm <= most ? gradients : map(gradients, parameters, g -> g.mul(factor));
  }

  /** Limits each element to [-most, most]; NaN stays NaN. */
  public static Gradients byValue(
      Gradients gradients, Map<String, Tensor> parameters, double most) {
    checkLimit("value", most);
    return map(gradients, parameters, gradient -> gradient.clamp(-most, most));
  }

  private static void checkLimit(String kind, double most) {
    if (!(most > 0)) {
      throw new IllegalArgumentException(
          "clip: the largest " + kind + " must be more than 0, found " + most);
    }
  }

  private static Gradients map(
      Gradients gradients, Map<String, Tensor> parameters, UnaryOperator<Tensor> change) {
    List<Tensor> keys = new ArrayList<>();
    List<Tensor> values = new ArrayList<>();
    for (Tensor parameter : parameters.values()) {
      gradients
          .find(parameter)
          .ifPresent(
              gradient -> {
                keys.add(parameter);
                values.add(Tape.withoutRecording(() -> change.apply(gradient)));
              });
    }
    return Gradients.of(keys, values);
  }

  /**
   * Checks every element.
   *
   * @throws ArithmeticException if one is NaN or infinite; the message names the parameter and the
   *     element
   */
  public static void requireFinite(Gradients gradients, Map<String, Tensor> parameters) {
    parameters.forEach(
        (name, parameter) ->
            gradients
                .find(parameter)
                .filter(gradient -> !Double.isFinite(timesZero(gradient)))
                .ifPresent(gradient -> throwFor(name, gradient)));
  }

  /** The sum of zero times each element, which is NaN when one is NaN or infinite. */
  private static double timesZero(Tensor gradient) {
    return Tape.withoutRecording(
        () -> {
          try (TensorScope _ = TensorScope.open("a check of gradients")) {
            return gradient.mul(0).sum().item();
          }
        });
  }

  private static void throwFor(String name, Tensor gradient) {
    double[] elements = gradient.toDoubleArray();
    int at = 0;
    while (at < elements.length - 1 && Double.isFinite(elements[at])) {
      at++;
    }
    throw new ArithmeticException(
        "gradients: that of "
            + name
            + " "
            + gradient.spec()
            + " is "
            + elements[at]
            + " at element "
            + at
            + "; lower the learning rate, clip by norm, or look for NaN in the data");
  }
}
