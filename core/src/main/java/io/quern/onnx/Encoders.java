package io.quern.onnx;

import io.quern.Shape;
import io.quern.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/** Operators of the domain ai.onnx.ml that turn categories into numbers and back. */
final class Encoders {
  private static final OnnxValue NO_TEXT = new OnnxValue.Strings(Shape.of(0), List.of());

  private Encoders() {}

  static void addTo(OpTable table) {
    table.eager("LabelEncoder", 1, call -> new OnnxValue[] {number(call)});
    table.eager("LabelEncoder", 2, call -> new OnnxValue[] {relabel(call)});
    table.eager("CategoryMapper", 1, call -> new OnnxValue[] {map(call)});
    table.eager("OneHotEncoder", 1, call -> OnnxValue.all(oneHot(call)));
    table.eager("DictVectorizer", 1, call -> new OnnxValue[] {vectorize(call)});
    table.eager("CastMap", 1, call -> new OnnxValue[] {castMap(call)});
  }

  /** The elements of a value, as text, longs or doubles. */
  private static List<Object> elements(OnnxValue value) {
    if (value instanceof OnnxValue.Strings strings) {
      return List.copyOf(strings.elements());
    }
    Tensor x = ((OnnxValue.Dense) value).tensor();
    List<Object> elements = new ArrayList<>();
    if (x.dtype().isFloat()) {
      for (double element : x.toDoubleArray()) {
        elements.add(element);
      }
    } else {
      for (long element : x.toLongArray()) {
        elements.add(element);
      }
    }
    return elements;
  }

  /** The elements of the input. */
  private static List<Object> elements(Call call) {
    return elements(call.value(0) instanceof OnnxValue.Strings text ? text : call.dense(0));
  }

  private static Shape shape(Call call) {
    return call.value(0) instanceof OnnxValue.Strings strings
        ? strings.shape()
        : call.in(0).shape();
  }

  /** What an attribute lists, by the suffix of its name. */
  private static OnnxValue listed(Call call, String prefix) {
    OnnxValue tensor = call.constant(prefix + "_tensor");
    float[] floats = call.numbers(prefix + "_floats");
    long[] longs = call.integers(prefix + "_int64s", new long[0]);
    if (tensor != null) {
      return tensor;
    }
    if (floats != null && floats.length > 0) {
      return OnnxValue.of(Tensor.of(floats));
    }
    if (longs.length > 0) {
      return OnnxValue.of(Tensor.of(longs));
    }
    List<String> texts = call.texts(prefix + "_strings");
    return new OnnxValue.Strings(Shape.of(texts.size()), texts);
  }

  private static OnnxValue relabel(Call call) {
    List<Object> keys = elements(listed(call, "keys"));
    OnnxValue listed = listed(call, "values");
    List<Object> values = elements(listed);
    if (keys.isEmpty() || keys.size() != values.size()) {
      throw call.error("%d keys and %d values", keys.size(), values.size());
    }
    Map<Object, Object> table = new HashMap<>();
    for (int i = 0; i < keys.size(); i++) {
      table.putIfAbsent(key(keys.get(i)), values.get(i));
    }
    Object fallback = fallback(call, listed);
    if (!fallback.getClass().equals(values.getFirst().getClass())) {
      throw call.error("default_tensor does not fit the values, which are %s", listed.kind());
    }
    List<Object> found =
        elements(call).stream().map(each -> table.getOrDefault(key(each), fallback)).toList();
    return value(shape(call), found, listed);
  }

  /** What equals a key in a map: there is one zero. */
  private static Object key(Object element) {
    return element instanceof Double number ? (Object) (number + 0.0) : element;
  }

  /** What stands for keys that are not listed. */
  private static Object fallback(Call call, OnnxValue values) {
    OnnxValue given = call.constant("default_tensor");
    if (given != null) {
      List<Object> elements = elements(given);
      if (elements.size() != 1) {
        throw call.error("default_tensor must have one element, found %s", given.kind());
      }
      return elements.getFirst();
    }
    if (values instanceof OnnxValue.Dense(Tensor tensor, ElementType _)) {
      return tensor.dtype().isFloat()
          ? (Object) call.number("default_float", -0.0f)
          : (Object) call.integer("default_int64", -1);
    }
    return call.text("default_string", "_Unused");
  }

  /** In version 1 labels are numbered as they are listed. */
  private static OnnxValue number(Call call) {
    List<String> classes = call.texts("classes_strings");
    long[] numbers = new long[classes.size()];
    Arrays.setAll(numbers, i -> i);
    return map(call, numbers, classes);
  }

  private static OnnxValue map(Call call) {
    return map(call, call.integersOf("cats_int64s"), call.texts("cats_strings"));
  }

  /** Texts become numbers, and numbers texts. */
  private static OnnxValue map(Call call, long[] numbers, List<String> texts) {
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
    OnnxValue type = fromText ? OnnxValue.of(Tensor.of(numbers)) : NO_TEXT;
    return value(shape(call), found, type);
  }

  /** Elements as a value of the same type as another one. */
  private static OnnxValue value(Shape shape, List<Object> elements, OnnxValue like) {
    if (!(like instanceof OnnxValue.Dense(Tensor tensor, ElementType type))) {
      return new OnnxValue.Strings(shape, elements.stream().map(each -> (String) each).toList());
    }
    Tensor all =
        tensor.dtype().isFloat()
            ? OnnxValue.doubles(
                tensor.dtype(),
                shape,
                elements.stream().mapToDouble(each -> (Double) each).toArray())
            : OnnxValue.longs(shape, elements.stream().mapToLong(each -> (Long) each).toArray())
                .to(tensor.dtype());
    return new OnnxValue.Dense(all, type);
  }

  /** The values of a map in the order of the vocabulary, as a row; 0 or "" where there is none. */
  private static OnnxValue vectorize(Call call) {
    Map<Object, OnnxValue> entries = entries(call);
    long[] numbers = call.integers("int64_vocabulary", new long[0]);
    List<? extends Object> vocabulary =
        numbers.length > 0
            ? Arrays.stream(numbers).boxed().toList()
            : call.texts("string_vocabulary");
    OnnxValue like = entries.isEmpty() ? OnnxValue.of(Tensor.scalar(0)) : someOf(entries);
    Object absent =
        switch (elements(like).getFirst()) {
          case String _ -> "";
          case Double _ -> 0.0;
          default -> 0L;
        };
    List<Object> row = new ArrayList<>();
    for (Object key : vocabulary) {
      OnnxValue found = entries.get(key);
      row.add(found == null ? absent : elements(found).getFirst());
    }
    return value(Shape.of(1, row.size()), row, like);
  }

  private static Map<Object, OnnxValue> entries(Call call) {
    if (call.value(0) instanceof OnnxValue.Dictionary(Map<Object, OnnxValue> entries)) {
      return entries;
    }
    throw call.error("input 0 must be a map, found %s", call.value(0).kind());
  }

  /** The values of a map with whole numbers as keys, as a row: in their order, or by place. */
  private static OnnxValue castMap(Call call) {
    SortedMap<Long, Object> sorted = new TreeMap<>();
    entries(call).forEach((key, value) -> sorted.put(number(call, key), cast(call, value)));
    String form = call.text("map_form", "DENSE");
    List<Object> row = new ArrayList<>(sorted.values());
    if (form.equals("SPARSE")) {
      int size = Math.toIntExact(call.integer("max_map", 1));
      row = new ArrayList<>(Collections.nCopies(size, cast(call, "0")));
      for (Map.Entry<Long, Object> each : sorted.entrySet()) {
        if (each.getKey() < 0 || each.getKey() >= size) {
          throw call.error("key %d is out of range for a max_map of %d", each.getKey(), size);
        }
        row.set(each.getKey().intValue(), each.getValue());
      }
    } else if (!form.equals("DENSE")) {
      throw call.error("map_form '%s' is not known", form);
    }
    OnnxValue like =
        switch (cast(call, "0")) {
          case String _ -> NO_TEXT;
          case Double _ -> OnnxValue.of(Tensor.scalar(0));
          default -> OnnxValue.of(Tensor.of(new long[] {0}));
        };
    return value(Shape.of(1, row.size()), row, like);
  }

  private static Long number(Call call, Object key) {
    if (key instanceof Long number) {
      return number;
    }
    throw call.error("key '%s' must be a whole number", key);
  }

  private static Object cast(Call call, OnnxValue value) {
    return cast(call, elements(value).getFirst());
  }

  private static Object cast(Call call, Object element) {
    String target = call.text("cast_to", "TO_FLOAT");
    return switch (target) {
      case "TO_FLOAT" -> (double) Float.parseFloat(element.toString());
      case "TO_INT64" ->
          element instanceof Double number
              ? number.longValue()
              : Long.parseLong(element.toString());
      case "TO_STRING" -> {
        if (!(element instanceof String)) {
          throw call.error("text of numbers is not supported; cast_to must be a number");
        }
        yield element;
      }
      default -> throw call.error("cast_to '%s' is not known", target);
    };
  }

  private static OnnxValue someOf(Map<Object, OnnxValue> entries) {
    return entries.values().iterator().next();
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
