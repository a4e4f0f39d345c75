package io.quern.nn;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.TensorScope;
import io.quern.io.FormatException;
import io.quern.io.Safetensors;
import io.quern.json.Json;
import io.quern.op.TensorSpec;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;

/**
 * A trained model as one safetensors file: the weights under their names in the module, and as
 * metadata the layer structure and the kind of input. Any safetensors reader can read the weights.
 *
 * <ul>
 *   <li>{@code quern.model}: JSON of the layers, for models built from the layers of this package;
 *   <li>{@code quern.input}: JSON of dtype and shape of one example, without the batch dimension.
 * </ul>
 *
 * {@snippet :
 * ModelFile.save(model, path, new TensorSpec(DType.F32, Shape.of(1, 28, 28)));
 * Module again = ModelFile.load(path).module();
 * }
 */
public final class ModelFile {
  private static final String MODEL = "quern.model";
  private static final String INPUT = "quern.input";
  private static final String REMEDY = "the model was written by another version, or is corrupt";

  private final Module module;
  private final @Nullable TensorSpec input;
  private final Map<String, String> metadata;

  private ModelFile(Module module, @Nullable TensorSpec input, Map<String, String> metadata) {
    this.module = module;
    this.input = input;
    this.metadata = metadata;
  }

  /** The model with the weights of the file, on the CPU. */
  public Module module() {
    return module;
  }

  /** Dtype and shape of one example, without the batch dimension, if the writer told it. */
  public Optional<TensorSpec> input() {
    return Optional.ofNullable(input);
  }

  /** What the writer attached, such as the names of the classes. */
  public Map<String, String> metadata() {
    return metadata;
  }

  // ---- saving -----------------------------------------------------------------------------

  /**
   * Saves a model without telling what its input is; see {@link #save(Module, Path, TensorSpec)}.
   */
  public static void save(Module model, Path path) {
    save(model, path, null, Map.of());
  }

  /**
   * Saves a model that is built from the layers of this package. The file is replaced in one step.
   *
   * @param input dtype and shape of one example, without the batch dimension
   * @throws IllegalArgumentException if the model has layers of other kinds inside
   * @throws java.io.UncheckedIOException if the file cannot be written; an old one is unchanged
   *     then
   */
  public static void save(Module model, Path path, TensorSpec input) {
    save(model, path, input, Map.of());
  }

  /** Saves a model with further strings, whose names must not begin with {@code quern.}. */
  public static void save(
      Module model, Path path, @Nullable TensorSpec input, Map<String, String> metadata) {
    Map<String, String> all = new LinkedHashMap<>();
    all.put(MODEL, Structure.write(model));
    if (input != null) {
      all.put(INPUT, describe(input));
    }
    metadata.forEach(
        (name, value) -> {
          if (name.startsWith("quern.")) {
            throw new IllegalArgumentException(
                "model file: metadata names must not begin with 'quern.', found " + name);
          }
          all.put(name, value);
        });
    Safetensors.write(path, tensors(model), all);
  }

  private static String describe(TensorSpec input) {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("dtype", input.dtype().name());
    json.put("shape", Arrays.stream(input.shape().toArray()).boxed().toList());
    return Json.write(json);
  }

  /** Saves the weights of any module under their names, without its structure. */
  public static void saveWeights(Module module, Path path) {
    Safetensors.write(path, tensors(module), Map.of());
  }

  private static Map<String, Tensor> tensors(Module module) {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    module.weights().forEach((name, weight) -> tensors.put(name, weight.value()));
    return tensors;
  }

  // ---- loading ----------------------------------------------------------------------------

  /**
   * Loads a file that {@link #save} has written, or another one with the same metadata.
   *
   * @throws FormatException if the file is corrupt, has no model description, or its tensors are
   *     not exactly those that the model needs; all differences are listed
   * @throws java.io.UncheckedIOException if the file cannot be read
   */
  public static ModelFile load(Path path) {
    try (Safetensors file = Safetensors.open(path)) {
      String json = file.metadata().get(MODEL);
      if (json == null) {
        throw new FormatException(
            path,
            "has no model description (metadata " + MODEL + ")",
            "build the module in code and use ModelFile.loadWeights");
      }
      List<String> problems = new ArrayList<>();
      StoredInit init = new StoredInit(file, problems);
      Module module = Structure.read(path, json, init);
      init.noteUnused();
      if (!problems.isEmpty()) {
        throw mismatch(path, problems);
      }
      Map<String, String> others = new LinkedHashMap<>(file.metadata());
      others.remove(MODEL);
      String input = others.remove(INPUT);
      return new ModelFile(
          module,
          input == null ? null : parseInput(path, input),
          Collections.unmodifiableMap(others));
    }
  }

  private static FormatException mismatch(Path path, List<String> problems) {
    return new FormatException(
        path,
        "the tensors do not fit the model: " + String.join(", ", problems),
        "check that the file belongs to this model");
  }

  private static TensorSpec parseInput(Path path, String json) {
    try {
      if (Json.parse(json) instanceof Map<?, ?> map
          && map.get("dtype") instanceof String dtype
          && map.get("shape") instanceof List<?> shape) {
        long[] dims = shape.stream().mapToLong(dim -> (Long) dim).toArray();
        return new TensorSpec(DType.valueOf(dtype), Shape.of(dims));
      }
      throw new FormatException(path, "metadata " + INPUT + " lacks dtype or shape", REMEDY);
    } catch (JacksonException
        | IllegalArgumentException
        | ClassCastException
        | NullPointerException e) {
      throw new FormatException(path, "metadata " + INPUT + " is malformed: " + json, REMEDY, e);
    }
  }

  /**
   * Copies the weights of a file into a module, whose tensors stay the same objects. Dtypes, shapes
   * and names must be exactly those of the module; nothing is changed otherwise.
   *
   * @throws FormatException if the file is corrupt or does not fit; all missing, unexpected and
   *     mismatched tensors are listed
   * @throws java.io.UncheckedIOException if the file cannot be read
   */
  public static void loadWeights(Module module, Path path) {
    try (Safetensors file = Safetensors.open(path);
        TensorScope _ = TensorScope.open("loading weights")) {
      Map<String, Tensor> targets = tensors(module);
      List<String> problems = new ArrayList<>();
      targets.forEach(
          (name, target) -> {
            Safetensors.Entry entry = file.entries().get(name);
            if (entry == null) {
              problems.add("missing " + name + " " + target.spec());
            } else if (!entry.type().equals(target.dtype().name())
                || !entry.shape().equals(target.shape())) {
              problems.add(
                  name + ": expected " + target.spec() + ", found " + entry.type() + entry.shape());
            }
          });
      for (String name : file.entries().keySet()) {
        if (!targets.containsKey(name)) {
          problems.add("unexpected " + name);
        }
      }
      if (!problems.isEmpty()) {
        throw mismatch(path, problems);
      }
      targets.forEach(
          (name, target) -> {
            try (Tensor source = file.tensor(name)) {
              target.copyFrom(source);
            }
          });
    }
  }
}
