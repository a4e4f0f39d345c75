package io.quern.onnx;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Lists of values, and values that may be missing. */
final class SequenceOps {
  private SequenceOps() {}

  static void addTo(OpTable table) {
    table.value("SequenceEmpty", 11, _ -> new OnnxValue.Sequence(List.of()));
    table.value("SequenceConstruct", 11, SequenceOps::construct);
    table.value("SequenceAt", 11, call -> sequence(call, 0).get(place(call, 1, 0)));
    table.op(
        "SequenceLength", 11, call -> OnnxValue.longs(Shape.scalar(), sequence(call, 0).size()));
    table.value("SequenceInsert", 11, SequenceOps::insert);
    table.value("SequenceErase", 11, SequenceOps::erase);
    table.value("SplitToSequence", 11, SequenceOps::split);
    table.value("ConcatFromSequence", 11, SequenceOps::concat);
    table.value("Optional", 15, call -> new OnnxValue.Optional(call.has(0) ? call.value(0) : null));
    table.value("OptionalGetElement", 15, SequenceOps::element);
    table.op(
        "OptionalHasElement",
        15,
        call -> {
          boolean has =
              call.has(0)
                  && !(call.value(0) instanceof OnnxValue.Optional(OnnxValue element)
                      && element == null);
          return Call.full(has ? 1 : 0, DType.BOOL, Shape.scalar());
        });
  }

  /** An input that is a list. */
  static List<OnnxValue> sequence(Call call, int index) {
    OnnxValue value = call.value(index);
    if (value instanceof OnnxValue.Optional(OnnxValue element) && element != null) {
      value = element;
    }
    if (value instanceof OnnxValue.Sequence(List<OnnxValue> elements)) {
      return elements;
    }
    throw call.error("input %d must be a sequence, found %s", index, value.kind());
  }

  /** A position in the list of input 0, {@code extra} of them after the last one. */
  private static int place(Call call, int index, int extra) {
    long at = call.longs(index)[0];
    int size = sequence(call, 0).size();
    if (at < -size || at >= size + extra) {
      throw call.error("position %d is out of range for %d elements", at, size);
    }
    return (int) (at < 0 ? at + size : at);
  }

  private static OnnxValue construct(Call call) {
    List<OnnxValue> elements = new ArrayList<>();
    for (int i = 0; i < call.count(); i++) {
      elements.add(call.value(i));
    }
    return new OnnxValue.Sequence(elements);
  }

  private static OnnxValue insert(Call call) {
    List<OnnxValue> elements = new ArrayList<>(sequence(call, 0));
    elements.add(call.has(2) ? place(call, 2, 1) : elements.size(), call.value(1));
    return new OnnxValue.Sequence(elements);
  }

  private static OnnxValue erase(Call call) {
    List<OnnxValue> elements = new ArrayList<>(sequence(call, 0));
    int at = call.has(1) ? place(call, 1, 0) : elements.size() - 1;
    if (at < 0) {
      throw call.error("an empty sequence has nothing to erase");
    }
    elements.remove(at);
    return new OnnxValue.Sequence(elements);
  }

  private static OnnxValue split(Call call) {
    Shape shape = ShapeOps.shapeOf(call);
    int axis = call.axis(call.integer("axis", 0), shape.rank());
    long size = shape.dim(axis);
    boolean each = !call.has(1);
    long[] sizes;
    if (each) {
      sizes = IndexOps.ones(Math.toIntExact(size));
    } else if (call.in(1).rank() == 0) {
      long part = call.longs(1)[0];
      if (part < 1) {
        throw call.error("parts must have 1 element or more, found %d", part);
      }
      int count = Math.toIntExact((size + part - 1) / part);
      sizes = new long[count];
      for (int i = 0; i < count; i++) {
        sizes[i] = Math.min(part, size - i * part);
      }
    } else {
      sizes = call.longs(1);
    }
    if (Arrays.stream(sizes).sum() != size) {
      throw call.error("sizes %s do not fit axis %d of %s", Arrays.toString(sizes), axis, shape);
    }
    boolean drops = each && !call.flag("keepdims", true);
    OnnxValue[] parts =
        Moving.apply(
            call,
            0,
            (_, x) -> {
              Tensor[] all = ShapeOps.parts(x, axis, sizes);
              for (int i = 0; drops && i < all.length; i++) {
                all[i] = all[i].squeeze(axis);
              }
              return all;
            });
    return new OnnxValue.Sequence(List.of(parts));
  }

  private static OnnxValue concat(Call call) {
    List<OnnxValue> elements = sequence(call, 0);
    boolean stacks = call.flag("new_axis", false);
    Tensor[] tensors = new Tensor[elements.size()];
    ElementType type = ElementType.FLOAT;
    for (int i = 0; i < tensors.length; i++) {
      if (!(elements.get(i) instanceof OnnxValue.Dense(Tensor tensor, ElementType of))) {
        throw call.error("only tensors are joined, found %s", elements.get(i).kind());
      }
      int rank = tensor.rank() + (stacks ? 1 : 0);
      int axis = call.axis(call.integer("axis"), rank);
      tensors[i] = stacks ? tensor.unsqueeze(axis) : tensor;
      type = of;
    }
    if (tensors.length == 0) {
      throw call.error("an empty sequence has no shape");
    }
    int axis = call.axis(call.integer("axis"), tensors[0].rank());
    return new OnnxValue.Dense(Tensor.concat(axis, tensors), type);
  }

  private static OnnxValue element(Call call) {
    OnnxValue value = call.value(0);
    if (!(value instanceof OnnxValue.Optional(OnnxValue element))) {
      return value;
    }
    if (element == null) {
      throw call.error("the optional is empty");
    }
    return element;
  }
}
