package io.quern.onnx;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Operators of the domain ai.onnx.ml that turn categories into numbers and back. */
final class Encoders {
  private Encoders() {}

  static void addTo(OpTable table) {
    table.eager("LabelEncoder", 2, call -> new OnnxValue[] {relabel(call)});
    table.eager("CategoryMapper", 1, call -> new OnnxValue[] {map(call)});
    table.eager("OneHotEncoder", 1, call -> OnnxValue.all(oneHot(call)));
  }

  /** The elements of an input, as text or numbers. */
  private static List<Object> elements(Call call) {
    if (call.value(0) instanceof OnnxValue.Strings strings) {
      return List.copyOf(strings.elements());
    }
    Tensor x = call.known(0);
    List<Object> elements = new ArrayList<>();
    if (x.dtype().isFloat()) {
      for (double value : x.toDoubleArray()) {
        elements.add(value);
      }
    } else {
      for (long value : x.toLongArray()) {
        elements.add(value);
      }
    }
    return elements;
  }

  private static Shape shape(Call call) {
    return call.value(0) instanceof OnnxValue.Strings strings
        ? strings.shape()
        : call.in(0).shape();
  }

  /** What an attribute lists, by the suffix of its name. */
  private static List<Object> listed(Call call, String prefix) {
    List<Object> all = new ArrayList<>();
    float[] floats = call.numbers(prefix + "_floats");
    for (int i = 0; floats != null && i < floats.length; i++) {
      all.add((double) floats[i]);
    }
    for (long value : call.integers(prefix + "_int64s", new long[0])) {
      all.add(value);
    }
    all.addAll(call.texts(prefix + "_strings"));
    return all;
  }

  private static OnnxValue relabel(Call call) {
    List<Object> keys = listed(call, "keys");
    List<Object> values = listed(call, "values");
    if (keys.isEmpty() || keys.size() != values.size()) {
      throw call.error("%d keys and %d values", keys.size(), values.size());
    }
    Map<Object, Object> table = new HashMap<>();
    for (int i = 0; i < keys.size(); i++) {
      table.putIfAbsent(keys.get(i), values.get(i));
    }
    Object fallback =
        switch (values.getFirst()) {
          case String _ -> call.text("default_string", "_Unused");
          case Double _ -> call.number("default_float", -0.0f);
          default -> call.integer("default_int64", -1);
        };
    List<Object> found =
        elements(call).stream().map(each -> table.getOrDefault(each, fallback)).toList();
    return value(shape(call), found, values.getFirst());
  }

  private static OnnxValue map(Call call) {
    long[] numbers = call.integersOf("cats_int64s");
    List<String> texts = call.texts("cats_strings");
    if (numbers.length != texts.size()) {
      throw call.error("%d numbers and %d texts", numbers.length, texts.size());
    }
    boolean fromText = call.value(0) instanceof OnnxValue.Strings;
    Map<Object, Object> table = new HashMap<>();
    for (int i = 0; i < numbers.length; i++) {
      table.put(fromText ? texts.get(i) : numbers[i], fromText ? numbers[i] : texts.get(i));
    }
    Object fallback =
        fromText
            ? (Object) call.integer("default_int64", -1)
            : call.text("default_string", "_Unused");
    List<Object> found =
        elements(call).stream().map(each -> table.getOrDefault(each, fallback)).toList();
    return value(shape(call), found, fallback);
  }

  private static OnnxValue value(Shape shape, List<Object> elements, Object example) {
    return switch (example) {
      case String _ ->
          new OnnxValue.Strings(shape, elements.stream().map(each -> (String) each).toList());
      case Double _ ->
          new OnnxValue.Dense(
              OnnxValue.doubles(
                  DType.F32,
                  shape,
                  elements.stream().mapToDouble(each -> (Double) each).toArray()));
      default ->
          new OnnxValue.Dense(
              OnnxValue.longs(shape, elements.stream().mapToLong(each -> (Long) each).toArray()));
    };
  }

  private static Tensor oneHot(Call call) {
    Map<Object, Integer> places = new HashMap<>();
    for (long category : call.integers("cats_int64s", new long[0])) {
      places.put(category, places.size());
    }
    for (String category : call.texts("cats_strings")) {
      places.put(category, places.size());
    }
    List<Object> elements = elements(call);
    Shape shape = shape(call);
    float[] hot = new float[Math.multiplyExact(elements.size(), places.size())];
    for (int i = 0; i < elements.size(); i++) {
      Object each =
          elements.get(i) instanceof Double number ? (Object) number.longValue() : elements.get(i);
      Integer place = places.get(each);
      if (place != null) {
        hot[i * places.size() + place] = 1;
      } else if (!call.flag("zeros", true)) {
        throw call.error("category '%s' is not known", each);
      }
    }
    return Tensor.of(hot).reshape(shape.insert(shape.rank(), places.size()));
  }
}
