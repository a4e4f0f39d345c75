package io.quern.train;

import io.quern.DType;
import io.quern.Device;
import io.quern.Quern;
import io.quern.Tensor;
import io.quern.grad.Gradients;
import io.quern.grad.Tape;
import io.quern.nn.Loss;
import io.quern.nn.Mode;
import io.quern.nn.Module;
import io.quern.op.TensorSpec;
import io.quern.optim.Optimizer;
import io.quern.plan.Compiled;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The work of one training step in two compiled parts, so that the application can look at loss and
 * gradients in between: forward and backward, and the update. A model or loss that asks for the
 * elements of tensors cannot be compiled and runs op by op, with the same bits. For one thread at a
 * time.
 */
public final class TrainStep {
  private final Module model;
  private final Optimizer optimizer;
  private final Loss loss;
  private final Mode mode;
  private final Map<List<TensorSpec>, Part> parts = new HashMap<>();

  /** By the parameters that they change, which are equal to themselves only. */
  private final Map<List<Tensor>, Compiled> updates = new HashMap<>();

  private boolean eager;
  private boolean eagerUpdate;

  /**
   * A step that trains {@code model}; {@code mode} has the source of random numbers. If it has a
   * precision, too, the loss is computed of the prediction as F32.
   */
  public TrainStep(Module model, Optimizer optimizer, Loss loss, Mode mode) {
    this.model = model;
    this.optimizer = optimizer;
    this.loss = loss;
    this.mode = mode;
  }

  /** Forward and backward for certain shapes, and the parameters that get a gradient. */
  private record Part(Compiled compiled, List<Tensor> parameters) {}

  /**
   * What a forward and backward pass has found.
   *
   * @param loss a scalar
   * @param prediction the output of the model, as F32 if the mode has a precision
   * @param gradients of the optimiser's parameters
   */
  public record Outcome(Tensor loss, Tensor prediction, Gradients gradients) {}

  /**
   * Computes prediction, loss and gradients. Changes nothing but what the model itself changes in
   * training, such as running statistics.
   */
  public Outcome forwardBackward(Tensor input, Tensor target) {
    Part part = eager ? null : part(input, target);
    if (part == null) {
      return eagerly(input, target);
    }
    Tensor[] results;
    try {
      results = part.compiled.runAll(input, target);
    } catch (IndexOutOfBoundsException e) {
      // Op by op the message names the label.
      eagerly(input, target);
      throw e;
    }
    List<Tensor> gradients = Arrays.asList(results).subList(2, results.length);
    return new Outcome(results[0], results[1], Gradients.of(part.parameters, gradients));
  }

  private Outcome eagerly(Tensor input, Tensor target) {
    Tensor prediction = predict(model, input, mode);
    Tensor value = loss.of(prediction, target);
    return new Outcome(value, prediction, value.backward());
  }

  /** The output of the model as losses and metrics get it. */
  static Tensor predict(Module model, Tensor input, Mode mode) {
    Tensor output = model.forward(input, mode);
    return mode.precision().isPresent() ? output.to(DType.F32) : output;
  }

  private @Nullable Part part(Tensor input, Tensor target) {
    List<TensorSpec> specs = List.of(input.spec(), target.spec());
    Part part = parts.get(specs);
    if (part != null) {
      return part;
    }
    List<Tensor> parameters = new ArrayList<>();
    try {
      Compiled compiled =
          Compiled.changing(
              optimizer.parameters().values(),
              input.device(),
              in -> {
                parameters.clear();
                return traced(eagerly(in.get(0), in.get(1)), parameters);
              },
              specs);
      part = new Part(compiled, List.copyOf(parameters));
      parts.put(specs, part);
      return part;
    } catch (IllegalStateException | UnsupportedOperationException e) {
      log("training runs op by op: {0}", e);
      eager = true;
      return null;
    }
  }

  private List<Tensor> traced(Outcome outcome, List<Tensor> parameters) {
    List<Tensor> outputs = new ArrayList<>(List.of(outcome.loss, outcome.prediction));
    for (Tensor parameter : optimizer.parameters().values()) {
      outcome
          .gradients
          .find(parameter)
          .ifPresent(
              gradient -> {
                parameters.add(parameter);
                outputs.add(gradient);
              });
    }
    return outputs;
  }

  /** Changes the parameters as {@link Optimizer#step} does. */
  public void update(Gradients gradients) {
    Compiled compiled = eagerUpdate ? null : updateFor(gradients);
    if (compiled == null) {
      optimizer.step(gradients);
      return;
    }
    List<Tensor> arguments = new ArrayList<>();
    for (Tensor parameter : optimizer.parameters().values()) {
      gradients.find(parameter).ifPresent(arguments::add);
    }
    compiled.runAll(arguments.toArray(Tensor[]::new));
  }

  private @Nullable Compiled updateFor(Gradients gradients) {
    List<Tensor> parameters = new ArrayList<>();
    for (Tensor parameter : optimizer.parameters().values()) {
      if (gradients.find(parameter).isPresent()) {
        parameters.add(parameter);
      }
    }
    if (parameters.isEmpty() || optimizer.refusesNonFinite()) {
      return null;
    }
    Compiled compiled = updates.get(parameters);
    if (compiled != null) {
      return compiled;
    }
    Device device = parameters.getFirst().device();
    try {
      compiled =
          Tape.withoutRecording(
              () ->
                  Quern.compile(
                      device,
                      in -> {
                        optimizer.step(Gradients.of(parameters, in));
                        return List.of();
                      },
                      parameters.stream().map(Tensor::spec).toList()));
      updates.put(parameters, compiled);
      return compiled;
    } catch (IllegalStateException | UnsupportedOperationException e) {
      log("updates run op by op: {0}", e);
      eagerUpdate = true;
      return null;
    }
  }

  /** The JVM's logging takes long to load, and most steps say nothing. */
  private static void log(String format, RuntimeException reason) {
    System.getLogger("io.quern").log(Level.INFO, format, reason.getMessage());
  }
}
