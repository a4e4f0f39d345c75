package io.quern.onnx;

import io.quern.Shape;
import io.quern.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Unique: each different slice once. */
final class Uniques {
  private Uniques() {}

  static OnnxValue[] unique(Call call) {
    Shape shape = ShapeOps.shapeOf(call);
    boolean flat = !call.hasAttribute("axis");
    int axis = flat ? 0 : call.axis(call.integer("axis"), shape.rank());
    int count = flat ? Math.toIntExact(shape.size()) : shape.intDim(axis);
    List<List<Comparable<Object>>> slices = slices(call, flat, axis, count);
    Map<List<Comparable<Object>>, Integer> numbers = new HashMap<>();
    List<Integer> first = new ArrayList<>();
    long[] inverse = new long[count];
    List<Long> counts = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      int number = numbers.computeIfAbsent(slices.get(i), _ -> numbers.size());
      if (number == first.size()) {
        first.add(i);
        counts.add(0L);
      }
      counts.set(number, counts.get(number) + 1);
      inverse[i] = number;
    }
    Integer[] order = new Integer[first.size()];
    Arrays.setAll(order, i -> i);
    if (call.flag("sorted", true)) {
      Arrays.sort(order, Comparator.comparing(i -> slices.get(first.get(i)), Uniques::compare));
    }
    long[] rank = new long[order.length];
    for (int i = 0; i < order.length; i++) {
      rank[order[i]] = i;
    }
    long[] chosen = Arrays.stream(order).mapToLong(first::get).toArray();
    Tensor indices = OnnxValue.longs(Shape.of(chosen.length), chosen);
    OnnxValue[] values =
        Moving.apply(
            call,
            0,
            (_, x) -> new Tensor[] {(flat ? x.reshape(x.size()) : x).gather(axis, indices)});
    long[] mapped = Arrays.stream(inverse).map(i -> rank[(int) i]).toArray();
    long[] sizes = Arrays.stream(order).mapToLong(counts::get).toArray();
    return new OnnxValue[] {
      values[0],
      OnnxValue.of(indices),
      OnnxValue.of(OnnxValue.longs(Shape.of(count), mapped)),
      OnnxValue.of(OnnxValue.longs(Shape.of(sizes.length), sizes))
    };
  }

  private static int compare(List<Comparable<Object>> left, List<Comparable<Object>> right) {
    for (int i = 0; i < left.size(); i++) {
      int order = left.get(i).compareTo(right.get(i));
      if (order != 0) {
        return order;
      }
    }
    return 0;
  }

  @SuppressWarnings("unchecked")
  private static List<List<Comparable<Object>>> slices(
      Call call, boolean flat, int axis, int count) {
    Object[] elements;
    Shape shape = ShapeOps.shapeOf(call);
    if (call.value(0) instanceof OnnxValue.Strings strings) {
      elements = strings.elements().toArray();
    } else if (call.in(0).dtype().isFloat()) {
      elements = Arrays.stream(call.doubles(0)).map(x -> x + 0.0).boxed().toArray();
    } else {
      elements = Arrays.stream(call.longs(0)).boxed().toArray();
    }
    long inner = flat ? 1 : shape.slice(axis + 1, shape.rank()).size();
    List<List<Comparable<Object>>> slices = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      slices.add(new ArrayList<>());
    }
    for (int i = 0; i < elements.length; i++) {
      slices.get((int) (i / inner % count)).add((Comparable<Object>) elements[i]);
    }
    return slices;
  }
}
