package io.quern.nn;

import io.quern.io.FormatException;
import io.quern.op.Window;
import io.quern.op.Window3d;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The arguments of one layer in a model file. Layers take what they know; the rest is an error. */
final class Arguments {
  private final Object source;
  private final String layer;
  private final Map<String, @Nullable Object> values;
  private final Set<String> taken = new HashSet<>();

  Arguments(Object source, String layer, Map<String, @Nullable Object> values) {
    this.source = source;
    this.layer = layer;
    this.values = values;
  }

  FormatException failure(String problem) {
    return new FormatException(
        source,
        "layer " + layer + ": " + problem,
        "the model was written by another version, or the file is corrupt");
  }

  private @Nullable Object take(String name) {
    taken.add(name);
    return values.get(name);
  }

  private FormatException expected(String kind, String name) {
    return failure("argument " + name + " must be " + kind + ", found " + values.get(name));
  }

  /** A whole number. */
  long whole(String name) {
    if (take(name) instanceof Long value) {
      return value;
    }
    throw expected("a whole number", name);
  }

  /** A whole number that fits an int. */
  int integer(String name) {
    long value = whole(name);
    if (value != (int) value) {
      throw expected("a whole number of 32 bits", name);
    }
    return (int) value;
  }

  double number(String name) {
    if (take(name) instanceof Number value) {
      return value.doubleValue();
    }
    throw expected("a number", name);
  }

  boolean bool(String name) {
    if (take(name) instanceof Boolean value) {
      return value;
    }
    throw expected("true or false", name);
  }

  /** A list of whole numbers. */
  long[] wholes(String name) {
    List<Long> numbers = new ArrayList<>();
    if (!(take(name) instanceof List<?> list)) {
      throw expected("a list of whole numbers", name);
    }
    for (Object each : list) {
      if (!(each instanceof Long value)) {
        throw expected("a list of whole numbers", name);
      }
      numbers.add(value);
    }
    return numbers.stream().mapToLong(Long::longValue).toArray();
  }

  /** The arguments that {@link #withWindow} has written. */
  Window window() {
    int[] kernel = integers("kernel", 2);
    int[] stride = integers("stride", 2);
    int[] padding = integers("padding", 4);
    int[] dilation = integers("dilation", 2);
    return new Window(
        kernel[0],
        kernel[1],
        stride[0],
        stride[1],
        padding[0],
        padding[1],
        padding[2],
        padding[3],
        dilation[0],
        dilation[1]);
  }

  /** The arguments that {@link #withWindow3d} has written. */
  Window3d window3d() {
    int[] kernel = integers("kernel", 3);
    int[] stride = integers("stride", 3);
    int[] padding = integers("padding", 6);
    int[] dilation = integers("dilation", 3);
    Window plane =
        new Window(
            kernel[1],
            kernel[2],
            stride[1],
            stride[2],
            padding[1],
            padding[2],
            padding[4],
            padding[5],
            dilation[1],
            dilation[2]);
    return new Window3d(kernel[0], stride[0], padding[0], padding[3], dilation[0], plane);
  }

  /** A list of {@code count} whole numbers of 32 bits. */
  int[] integers(String name, int count) {
    long[] numbers = wholes(name);
    int[] integers = new int[count];
    if (numbers.length != count) {
      throw expected("a list of " + count + " whole numbers", name);
    }
    for (int i = 0; i < count; i++) {
      integers[i] = (int) numbers[i];
      if (integers[i] != numbers[i]) {
        throw expected("a list of whole numbers of 32 bits", name);
      }
    }
    return integers;
  }

  /** Throws if there is an argument that was not taken. */
  void finish() {
    for (String name : values.keySet()) {
      if (!taken.contains(name)) {
        throw failure("argument " + name + " is unknown");
      }
    }
  }

  /** Names and values for {@link LayerSpec#of}, followed by those of a window. */
  static Object[] withWindow(Window window, Object... others) {
    List<Object> all = new ArrayList<>(List.of(others));
    all.add("kernel");
    all.add(List.of(window.kernelH(), window.kernelW()));
    all.add("stride");
    all.add(List.of(window.strideH(), window.strideW()));
    all.add("padding");
    all.add(List.of(window.padTop(), window.padLeft(), window.padBottom(), window.padRight()));
    all.add("dilation");
    all.add(List.of(window.dilationH(), window.dilationW()));
    return all.toArray();
  }

  /** Names and values for {@link LayerSpec#of}, followed by those of a window. */
  static Object[] withWindow3d(Window3d window, Object... others) {
    Window plane = window.plane();
    List<Object> all = new ArrayList<>(List.of(others));
    all.add("kernel");
    all.add(List.of(window.kernelD(), plane.kernelH(), plane.kernelW()));
    all.add("stride");
    all.add(List.of(window.strideD(), plane.strideH(), plane.strideW()));
    all.add("padding");
    all.add(
        List.of(
            window.padFront(),
            plane.padTop(),
            plane.padLeft(),
            window.padBack(),
            plane.padBottom(),
            plane.padRight()));
    all.add("dilation");
    all.add(List.of(window.dilationD(), plane.dilationH(), plane.dilationW()));
    return all.toArray();
  }
}
