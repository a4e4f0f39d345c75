package io.quern.train;

import io.quern.DType;
import io.quern.Rng;
import io.quern.Tensor;
import io.quern.io.FormatException;
import io.quern.io.Safetensors;
import io.quern.json.Json;
import io.quern.nn.Module;
import io.quern.optim.Optimizer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;

/**
 * All that a training needs to go on to the same bits, as one safetensors file: the model's
 * parameters and buffers ({@code model.NAME}), the optimiser's state ({@code optimizer.KIND.NAME})
 * and, as JSON in the metadata {@code quern.checkpoint}, progress, random numbers, learning rate,
 * the optimiser's settings and the precision, if there is one.
 *
 * <p>The file is replaced in one step: a crash or a full disk while it is written leaves the
 * checkpoint before it as it was.
 */
public final class Checkpoint {
  private static final String METADATA = "quern.checkpoint";
  private static final String MODEL = "model.";
  private static final String OPTIMIZER = "optimizer.";
  private static final String REMEDY =
      "the checkpoint was written by another version, or the file is corrupt";

  private final Path path;
  private final Map<String, Tensor> model = new LinkedHashMap<>();
  private final Map<String, Tensor> state = new LinkedHashMap<>();
  private final Map<String, String> settings = new LinkedHashMap<>();
  private final Progress progress;
  private final Rng.State rng;
  private final String optimizer;
  private final long optimizerSteps;
  private final double learningRate;
  private final @Nullable DType precision;

  private Checkpoint(Path path, Map<String, Tensor> tensors, Map<?, ?> json) {
    this.path = path;
    this.progress =
        new Progress(
            Math.toIntExact((Long) field(json, "epoch")),
            (Long) field(json, "batch"),
            (Long) field(json, "step"));
    this.rng = new Rng.State((Long) field(json, "rngSeed"), (Long) field(json, "rngCounter"));
    this.optimizer = (String) field(json, "optimizer");
    this.optimizerSteps = (Long) field(json, "optimizerSteps");
    this.learningRate = ((Number) field(json, "learningRate")).doubleValue();
    this.precision =
        json.get("precision") == null ? null : DType.valueOf((String) field(json, "precision"));
    ((Map<?, ?>) field(json, "settings"))
        .forEach((name, value) -> settings.put((String) name, (String) value));
    tensors.forEach(
        (name, tensor) -> {
          if (name.startsWith(MODEL)) {
            model.put(name.substring(MODEL.length()), tensor);
          } else if (name.startsWith(OPTIMIZER)) {
            state.put(name.substring(OPTIMIZER.length()), tensor);
          } else {
            throw new IllegalArgumentException("tensor " + name + " belongs to nothing");
          }
        });
  }

  private static Object field(Map<?, ?> json, String name) {
    Object value = json.get(name);
    if (value == null) {
      throw new IllegalArgumentException(name + " is missing");
    }
    return value;
  }

  /**
   * Writes a checkpoint of a training without a precision of its own.
   *
   * @throws java.io.UncheckedIOException if the file cannot be written; an old one is unchanged
   *     then
   */
  public static void save(
      Path path, Module model, Optimizer optimizer, Progress progress, Rng.State rng) {
    save(path, model, optimizer, progress, rng, null);
  }

  static void save(
      Path path,
      Module model,
      Optimizer optimizer,
      Progress progress,
      Rng.State rng,
      @Nullable DType precision) {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    model.parameters().forEach((name, tensor) -> tensors.put(MODEL + name, tensor));
    model.buffers().forEach((name, tensor) -> tensors.put(MODEL + name, tensor));
    optimizer.state().forEach((name, tensor) -> tensors.put(OPTIMIZER + name, tensor));
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("epoch", progress.epoch());
    json.put("batch", progress.batch());
    json.put("step", progress.step());
    json.put("rngSeed", rng.seed());
    json.put("rngCounter", rng.counter());
    json.put("optimizer", optimizer.name());
    json.put("settings", optimizer.settings());
    json.put("optimizerSteps", optimizer.steps());
    json.put("learningRate", optimizer.learningRate());
    if (precision != null) {
      json.put("precision", precision.name());
    }
    Safetensors.write(path, tensors, Map.of(METADATA, Json.write(json)));
  }

  /**
   * Reads a checkpoint.
   *
   * @throws FormatException if the file is corrupt or no checkpoint
   * @throws java.io.UncheckedIOException if the file cannot be read
   */
  public static Checkpoint load(Path path) {
    try (Safetensors file = Safetensors.open(path)) {
      String text = file.metadata().get(METADATA);
      if (text == null) {
        throw new FormatException(
            path, "is no checkpoint, it lacks metadata " + METADATA, "give the right file");
      }
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      for (String name : file.entries().keySet()) {
        tensors.put(name, file.tensor(name));
      }
      return parse(path, tensors, text);
    }
  }

  private static Checkpoint parse(Path path, Map<String, Tensor> tensors, String text) {
    try {
      if (Json.parse(text) instanceof Map<?, ?> json) {
        return new Checkpoint(path, tensors, json);
      }
      throw new IllegalArgumentException("not an object");
    } catch (JacksonException
        | ClassCastException
        | IllegalArgumentException
        | ArithmeticException e) {
      throw new FormatException(
          path, "metadata " + METADATA + " is malformed (" + reason(e) + ")", REMEDY, e);
    }
  }

  private static String reason(RuntimeException e) {
    return e instanceof JacksonException json
        ? json.getOriginalMessage()
        : String.valueOf(e.getMessage());
  }

  /** How far the training was. */
  public Progress progress() {
    return progress;
  }

  /** Where the training's random numbers were. */
  public Rng.State rng() {
    return rng;
  }

  /** What layers multiplied in, if that was not the dtype of their weights. */
  public Optional<DType> precision() {
    return Optional.ofNullable(precision);
  }

  /**
   * Copies parameters, buffers and optimiser state into equal objects, whose tensors stay the same.
   *
   * @throws FormatException if the model or the optimiser differs from the one that was saved; all
   *     differences are listed, and nothing is changed
   */
  public void restore(Module target, Optimizer targetOptimizer) {
    Map<String, Tensor> weights = new LinkedHashMap<>(target.parameters());
    weights.putAll(target.buffers());
    List<String> problems = new ArrayList<>();
    compare("model", weights, model, problems);
    compare("optimiser", targetOptimizer.state(), state, problems);
    if (!targetOptimizer.name().equals(optimizer) || !targetOptimizer.settings().equals(settings)) {
      problems.add(
          "the optimiser was "
              + optimizer
              + settings
              + ", found "
              + targetOptimizer.name()
              + targetOptimizer.settings());
    }
    if (!problems.isEmpty()) {
      throw new FormatException(
          path,
          "the checkpoint does not fit: " + String.join(", ", problems),
          "make model and optimiser as they were when it was written");
    }
    targetOptimizer.loadState(state, optimizerSteps, learningRate);
    weights.forEach((name, tensor) -> tensor.copyFrom(weight(name)));
  }

  private Tensor weight(String name) {
    @Nullable Tensor tensor = model.get(name);
    if (tensor == null) {
      throw new IllegalStateException("checkpoint: no weight " + name);
    }
    return tensor;
  }

  private static void compare(
      String what, Map<String, Tensor> own, Map<String, Tensor> saved, List<String> problems) {
    own.forEach(
        (name, tensor) -> {
          Tensor found = saved.get(name);
          if (found == null) {
            problems.add(what + " tensor " + name + " is missing");
          } else if (!found.spec().equals(tensor.spec())) {
            problems.add(
                what
                    + " tensor "
                    + name
                    + ": expected "
                    + tensor.spec()
                    + ", found "
                    + found.spec());
          }
        });
    saved.keySet().stream()
        .filter(name -> !own.containsKey(name))
        .forEach(name -> problems.add(what + " tensor " + name + " is unexpected"));
  }
}
