package io.quern.nn;

import io.quern.io.FormatException;
import io.quern.json.Json;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;

/**
 * The layer structure of a model as JSON: an object per layer with its {@code type}, its arguments
 * and, for layers that are made from others, {@code layers} with a {@code name} each.
 */
final class Structure {
  private static final String TYPE = "type";
  private static final String NAME = "name";
  private static final String LAYERS = "layers";

  private final Object source;

  private Structure(Object source) {
    this.source = source;
  }

  /**
   * The JSON text for a module.
   *
   * @throws IllegalArgumentException if it is, or has inside, a module that is not of this package
   */
  static String write(Module module) {
    return Json.write(describe("", module));
  }

  private static Map<String, Object> describe(String path, Module module) {
    LayerSpec spec = module.spec();
    if (spec == null) {
      throw new IllegalArgumentException(
          "model file: "
              + (path.isEmpty() ? "the model" : path)
              + " is a "
              + module.getClass().getName()
              + ", only the layers of io.quern.nn can be described in a file; use"
              + " ModelFile.saveWeights and loadWeights");
    }
    Map<String, Object> json = new LinkedHashMap<>();
    json.put(TYPE, spec.type());
    json.putAll(spec.arguments());
    if (!spec.inner().isEmpty()) {
      List<Object> layers = new ArrayList<>();
      spec.inner()
          .forEach(
              (name, inner) -> {
                Map<String, Object> layer = new LinkedHashMap<>();
                layer.put(NAME, name);
                layer.putAll(describe(path.isEmpty() ? name : path + "." + name, inner));
                layers.add(layer);
              });
      json.put(LAYERS, layers);
    }
    return json;
  }

  /**
   * Builds the module that {@code json} describes with weights from {@code init}.
   *
   * @throws FormatException if the text is not the description of a module
   */
  static Module read(Object source, String json, Init init) {
    Structure structure = new Structure(source);
    try {
      return structure.build("", Json.parse(json), init);
    } catch (JacksonException e) {
      throw structure.failure("is not valid JSON (" + e.getOriginalMessage() + ")", e);
    }
  }

  private FormatException failure(String problem, @Nullable Throwable cause) {
    return new FormatException(
        source,
        "the model description " + problem,
        "the model was written by another version, or the file is corrupt",
        cause);
  }

  private Module build(String path, @Nullable Object json, Init init) {
    Map<String, @Nullable Object> values = new LinkedHashMap<>();
    if (!(json instanceof Map<?, ?> map) || !(map.get(TYPE) instanceof String type)) {
      throw failure(
          "must have an object with a type for each layer, found none at '" + path + "'", null);
    }
    map.forEach((name, value) -> values.put((String) name, value));
    values.remove(TYPE);
    values.remove(NAME);
    Map<String, Module> inner = layers(path, values.remove(LAYERS), init);
    String label = path.isEmpty() ? type : path + " (" + type + ")";
    Arguments arguments = new Arguments(source, label, values);
    try {
      Module module = make(type, arguments, inner, init);
      arguments.finish();
      return module;
    } catch (IllegalArgumentException e) {
      throw arguments.failure(String.valueOf(e.getMessage()));
    }
  }

  private Map<String, Module> layers(String path, @Nullable Object json, Init init) {
    Map<String, Module> layers = new LinkedHashMap<>();
    if (json == null) {
      return layers;
    }
    if (!(json instanceof List<?> list)) {
      throw failure("must have a list of layers at '" + path + "'", null);
    }
    for (Object each : list) {
      if (!(each instanceof Map<?, ?> map) || !(map.get(NAME) instanceof String name)) {
        throw failure("must have a name for each layer of '" + path + "'", null);
      }
      String full = path.isEmpty() ? name : path + "." + name;
      if (layers.put(name, build(full, each, init.inner(name))) != null) {
        throw failure("has two layers named " + full, null);
      }
    }
    return layers;
  }

  private static Module make(
      String type, Arguments arguments, Map<String, Module> inner, Init init) {
    boolean container = type.equals("Sequential") || type.equals("Residual");
    if (!container && !inner.isEmpty()) {
      throw arguments.failure("has inner layers, which this type does not take");
    }
    return switch (type) {
      case "Sequential" -> Sequential.of(inner);
      case "Residual" -> Residual.of(inner);
      case "Linear" -> Linear.from(arguments, init);
      case "Conv2d" -> Conv2d.from(arguments, init);
      case "Conv1d" -> Conv1d.from(arguments, init);
      case "Conv3d" -> Conv3d.from(arguments, init);
      case "ConvTranspose2d" -> ConvTranspose2d.from(arguments, init);
      case "MaxPool2d" -> MaxPool2d.from(arguments);
      case "AvgPool2d" -> AvgPool2d.from(arguments);
      case "BatchNorm1d" -> BatchNorm1d.from(arguments, init);
      case "BatchNorm2d" -> BatchNorm2d.from(arguments, init);
      case "LayerNorm" -> LayerNorm.from(arguments, init);
      case "RmsNorm" -> RmsNorm.from(arguments, init);
      case "GroupNorm" -> GroupNorm.from(arguments, init);
      case "Dropout" -> Dropout.from(arguments);
      case "Embedding" -> Embedding.from(arguments, init);
      case "MultiHeadAttention" -> MultiHeadAttention.from(arguments, init);
      case "Flatten" -> Flatten.from(arguments);
      case "Relu" -> new Relu();
      case "Gelu" -> new Gelu();
      case "Silu" -> new Silu();
      case "Tanh" -> new Tanh();
      case "Sigmoid" -> new Sigmoid();
      case "Softplus" -> new Softplus();
      case "LeakyRelu" -> LeakyRelu.from(arguments);
      case "Elu" -> Elu.from(arguments);
      case "Softmax" -> Softmax.from(arguments);
      default -> throw arguments.failure("there is no layer of this type");
    };
  }
}
