package io.quern.optim;

import io.quern.DType;
import io.quern.Device;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.TensorScope;
import io.quern.grad.Gradients;
import io.quern.grad.Tape;
import io.quern.op.TensorSpec;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Changes parameters by their gradients. It keeps tensors of its own beside each parameter, which
 * are made at once and together with {@link #steps} are all its state.
 *
 * <p>An extending class gives the update of one parameter in terms of tensors; see {@link Sgd} for
 * an example. A step writes into the parameters and allocates no tensors but a few scalars. For one
 * thread at a time.
 */
public abstract class Optimizer {
  private final String name;
  private final Map<String, Tensor> parameters;
  private final Map<String, Map<String, Tensor>> state = new LinkedHashMap<>();
  private double learningRate;
  private boolean refuseNonFinite;
  private long steps;

  /**
   * An optimiser of {@code parameters}, which are contiguous and of float dtypes.
   *
   * @param name of the algorithm, for messages and checkpoints
   */
  protected Optimizer(String name, Map<String, Tensor> parameters, double learningRate) {
    this.name = name;
    this.parameters = Collections.unmodifiableMap(new LinkedHashMap<>(parameters));
    parameters.forEach(
        (key, parameter) -> {
          if (!parameter.dtype().isFloat() || !parameter.layout().isContiguous()) {
            throw new IllegalArgumentException(
                name()
                    + ": parameter "
                    + key
                    + " must be contiguous and of a float dtype, found "
                    + parameter.spec());
          }
        });
    learningRate(learningRate);
  }

  /**
   * Adds a state tensor of zeros for each parameter; for constructors.
   *
   * @param kind what the tensors are, such as {@code m}
   * @return the tensors by the name of their parameter
   */
  protected final Map<String, Tensor> zeros(String kind) {
    Map<String, Tensor> zeros = new LinkedHashMap<>();
    parameters.forEach((name, parameter) -> zeros.put(name, parameter.fullLike(0)));
    state.put(kind, zeros);
    return zeros;
  }

  /** The algorithm, such as {@code adam}. */
  public final String name() {
    return name;
  }

  /** The settings other than the learning rate, by name; the same for equal optimisers. */
  public abstract Map<String, String> settings();

  /**
   * Updates one parameter and its state in place; not recorded, in a scope of its own.
   *
   * @param scalars what {@link #scalars} gave, as a vector of the parameter's dtype on its device
   */
  protected abstract void update(String name, Tensor parameter, Tensor gradient, Tensor scalars);

  /**
   * The numbers that the update of every parameter needs.
   *
   * @param rate the learning rate of this step
   * @param step counts from 1
   * @return an array that the next call may use again
   */
  protected abstract double[] scalars(double rate, long step);

  /** The parameters by name. */
  public final Map<String, Tensor> parameters() {
    return parameters;
  }

  /** The rate of the next step. */
  public final double learningRate() {
    return learningRate;
  }

  /** Sets the rate of the next steps, for example from a {@link Schedule}. */
  public final void learningRate(double rate) {
    if (!(rate >= 0 && rate < Double.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException(
          name + ": the learning rate must be finite and 0 or more, found " + rate);
    }
    learningRate = rate;
  }

  /**
   * Whether {@link #step} reads every gradient first and throws {@link ArithmeticException} when
   * one has an element that is NaN or infinite; off at first.
   */
  public final Optimizer refuseNonFinite(boolean refuse) {
    refuseNonFinite = refuse;
    return this;
  }

  /** Whether {@link #step} checks the gradients first. */
  public final boolean refusesNonFinite() {
    return refuseNonFinite;
  }

  /** Number of steps so far. */
  public final long steps() {
    return steps;
  }

  /**
   * Changes the parameters. Those without a gradient stay as they are.
   *
   * @throws IllegalArgumentException if none has a gradient: the gradients are of other tensors
   * @throws ArithmeticException if gradients are checked and one is not finite; the message names
   *     the parameter, and nothing is changed
   */
  public final void step(Gradients gradients) {
    if (!parameters.isEmpty()
        && parameters.values().stream().allMatch(each -> gradients.find(each).isEmpty())) {
      throw new IllegalArgumentException(
          name + ": none of " + parameters.keySet() + " has a gradient; are they the model's own?");
    }
    if (refuseNonFinite) {
      Clip.requireFinite(gradients, parameters);
    }
    Tape.withoutRecording(
        () -> {
          try (TensorScope _ = TensorScope.open("an optimiser step")) {
            updateAll(gradients);
          }
          return steps;
        });
  }

  /** The scalars of a step; asking for them begins it. */
  private Tensor nextScalars(Device device) {
    int count = scalars(learningRate, 1).length;
    return Tensor.ofHost(
        new TensorSpec(DType.F64, Shape.of(count)),
        device,
        target -> {
          steps++;
          double[] numbers = scalars(learningRate, steps);
          for (int i = 0; i < numbers.length; i++) {
            target.setAtIndex(ValueLayout.JAVA_DOUBLE_UNALIGNED, i, numbers[i]);
          }
        });
  }

  private void updateAll(Gradients gradients) {
    Tensor numbers = nextScalars(Device.cpu());
    Map<List<Object>, Tensor> scalars = new LinkedHashMap<>();
    parameters.forEach(
        (name, parameter) ->
            gradients
                .find(parameter)
                .ifPresent(
                    gradient -> {
                      DType dtype = parameter.dtype();
                      Device device = parameter.device();
                      Tensor numbersThere =
                          scalars.computeIfAbsent(
                              List.of(dtype, device), key -> numbers.to(dtype).to(device));
                      update(name, parameter, gradient, numbersThere);
                    }));
  }

  // ---- state ------------------------------------------------------------------------------

  /**
   * The state tensors as {@code kind.parameter}, such as {@code m.conv1.weight}. Together with
   * {@link #steps} and the learning rate they make {@link #loadState} go on exactly here.
   */
  public final Map<String, Tensor> state() {
    Map<String, Tensor> all = new LinkedHashMap<>();
    state.forEach(
        (kind, tensors) -> tensors.forEach((name, tensor) -> all.put(kind + "." + name, tensor)));
    return all;
  }

  /**
   * Copies the state of an equal optimiser of equal parameters.
   *
   * @throws IllegalArgumentException if names, dtypes or shapes differ; all differences are listed,
   *     and nothing is changed
   */
  public final void loadState(Map<String, Tensor> tensors, long stepsBefore, double rate) {
    Map<String, Tensor> own = state();
    List<String> problems = new ArrayList<>();
    own.forEach(
        (name, tensor) -> {
          Tensor given = tensors.get(name);
          if (given == null) {
            problems.add("missing " + name);
          } else if (!given.spec().equals(tensor.spec())) {
            problems.add(name + ": expected " + tensor.spec() + ", found " + given.spec());
          }
        });
    tensors.keySet().stream()
        .filter(name -> !own.containsKey(name))
        .forEach(name -> problems.add("unexpected " + name));
    if (stepsBefore < 0) {
      problems.add("steps must be 0 or more, found " + stepsBefore);
    }
    if (!problems.isEmpty()) {
      throw new IllegalArgumentException(
          name + ": the state does not fit: " + String.join(", ", problems));
    }
    learningRate(rate);
    own.forEach((name, tensor) -> tensor.copyFrom(tensors.get(name)));
    steps = stepsBefore;
  }
}
