package io.quern.onnx;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What goes into, through and out of a model. */
public sealed interface OnnxValue {
  /** What messages call the kind of this value. */
  String kind();

  /**
   * Numbers.
   *
   * @param type the element type; for one without a dtype of its own, the tensor has a wider one
   */
  record Dense(Tensor tensor, ElementType type) implements OnnxValue {
    /** A tensor of the type that its dtype tells. */
    public Dense(Tensor tensor) {
      this(tensor, ElementType.of(tensor.dtype()));
    }

    @Override
    public String kind() {
      return type + tensor.shape().toString();
    }
  }

  /** Text, in row-major order. */
  record Strings(Shape shape, List<String> elements) implements OnnxValue {
    public Strings {
      elements = List.copyOf(elements);
      if (shape.size() != elements.size()) {
        throw new IllegalArgumentException(
            "strings: shape " + shape + " does not fit " + elements.size() + " elements");
      }
    }

    @Override
    public String kind() {
      return "string" + shape;
    }
  }

  /** A list of values. */
  record Sequence(List<OnnxValue> elements) implements OnnxValue {
    public Sequence {
      elements = List.copyOf(elements);
    }

    @Override
    public String kind() {
      return "a sequence of " + elements.size();
    }
  }

  /** A value or nothing. */
  record Optional(@Nullable OnnxValue element) implements OnnxValue {
    @Override
    public String kind() {
      return element == null ? "an empty optional" : "an optional with " + element.kind();
    }
  }

  /** Values by key; keys are strings or longs. */
  record Dictionary(Map<Object, OnnxValue> entries) implements OnnxValue {
    public Dictionary {
      entries = Collections.unmodifiableMap(new LinkedHashMap<>(entries));
    }

    @Override
    public String kind() {
      return "a map of " + entries.size();
    }
  }

  /** A value made of a tensor. */
  static OnnxValue of(Tensor tensor) {
    return new Dense(tensor);
  }

  /** Values made of tensors. */
  static OnnxValue[] all(Tensor... tensors) {
    return Arrays.stream(tensors).map(Dense::new).toArray(OnnxValue[]::new);
  }

  /** A tensor of longs with this shape on the CPU. */
  static Tensor longs(Shape shape, long... values) {
    return Tensor.of(values, values.length).reshape(shape);
  }

  /** A tensor of {@code dtype} with these elements and this shape on the CPU. */
  static Tensor doubles(DType dtype, Shape shape, double... values) {
    return Tensor.of(values, values.length).reshape(shape).to(dtype);
  }
}
