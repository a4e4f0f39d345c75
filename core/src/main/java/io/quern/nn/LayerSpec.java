package io.quern.nn;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * What is needed to build a layer again, but for its weights.
 *
 * @param type name of the class in this package
 * @param arguments whole numbers, floating-point numbers, booleans and lists of these, by name
 * @param inner the modules that the layer was made from, by name
 */
record LayerSpec(String type, Map<String, Object> arguments, Map<String, Module> inner) {
  LayerSpec {
    arguments = Collections.unmodifiableMap(new LinkedHashMap<>(arguments));
  }

  /** A spec with arguments given as name, value, name, value... */
  static LayerSpec of(String type, Object... namesAndValues) {
    Map<String, Object> arguments = new LinkedHashMap<>();
    for (int i = 0; i < namesAndValues.length; i += 2) {
      arguments.put((String) namesAndValues[i], namesAndValues[i + 1]);
    }
    return new LayerSpec(type, arguments, Map.of());
  }

  /** The spec as in source code: {@code Linear(in=784, out=128, bias=true)}. */
  String title() {
    return arguments.entrySet().stream()
        .map(each -> each.getKey() + "=" + each.getValue())
        .collect(Collectors.joining(", ", type + "(", ")"));
  }
}
