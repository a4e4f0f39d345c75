package io.quern.nn;

import io.quern.Tensor;
import java.util.LinkedHashMap;
import java.util.Map;

/** Modules that are applied one after the other. */
public final class Sequential extends Module {
  private Sequential(Map<String, ? extends Module> layers) {
    layers.forEach(this::child);
  }

  /** Layers with the names 0, 1, 2... */
  public static Sequential of(Module... layers) {
    Map<String, Module> numbered = new LinkedHashMap<>();
    for (Module layer : layers) {
      numbered.put(Integer.toString(numbered.size()), layer);
    }
    return new Sequential(numbered);
  }

  /** Layers with names, in the order of the map. */
  static Sequential of(Map<String, ? extends Module> layers) {
    return new Sequential(layers);
  }

  /** Collects named layers. */
  public static Builder builder() {
    return new Builder();
  }

  /** Collects named layers, in the order of the calls. */
  public static final class Builder {
    private final Map<String, Module> layers = new LinkedHashMap<>();

    private Builder() {}

    /** Appends a layer. */
    public Builder add(String name, Module layer) {
      if (layers.put(name, layer) != null) {
        throw new IllegalArgumentException("sequential: two layers are named '" + name + "'");
      }
      return this;
    }

    /** The layers as one module. */
    public Sequential build() {
      return new Sequential(layers);
    }
  }

  @Override
  LayerSpec spec() {
    return new LayerSpec("Sequential", Map.of(), children());
  }

  @Override
  public Tensor forward(Tensor input, Mode mode) {
    Tensor output = input;
    for (Module layer : children().values()) {
      output = layer.forward(output, mode);
    }
    return output;
  }
}
