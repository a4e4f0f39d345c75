package io.quern.reference;

import io.quern.Shape;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.op.OpCheck;
import io.quern.op.Pad;
import java.util.Arrays;
import java.util.function.Consumer;

/** Ops that move elements, and the gradients of those that pick by index. */
final class ReferenceIndexing {
  private ReferenceIndexing() {}

  static Consumer<Operands> gather(KernelKey key, int axis) {
    Elements data = Elements.of(key, 0);
    Elements index = Elements.of(key, 1);
    Elements out = Elements.of(key, 2);
    int at = key.shape(0).axis(axis);
    int indexRank = key.shape(1).rank();
    // The output's dimensions are those of the data, with those of the index in place of the axis.
    long[] dataStrides = new long[key.shape(2).rank()];
    long[] indexStrides = new long[key.shape(2).rank()];
    for (int d = 0; d < dataStrides.length; d++) {
      if (d >= at && d < at + indexRank) {
        indexStrides[d] = index.stride(d - at);
      } else {
        dataStrides[d] = data.stride(d < at ? d : d - indexRank + 1);
      }
    }
    Elements slices = new Elements(data.dtype(), dataStrides);
    Elements positions = new Elements(index.dtype(), indexStrides);
    return memory ->
        pick("gather", key, at, memory, new Walk(key.shape(2), slices, positions, out));
  }

  static Consumer<Operands> takeAlong(KernelKey key, int axis) {
    int at = key.shape(0).axis(axis);
    Elements lanes = Elements.of(key, 0).still(at);
    Elements index = Elements.of(key, 1);
    Elements out = Elements.of(key, 2);
    return memory -> pick("take_along", key, at, memory, new Walk(key.shape(2), lanes, index, out));
  }

  /** Copies the element that the index names; the walk's data stand still along the axis. */
  private static void pick(String op, KernelKey key, int axis, Operands memory, Walk walk) {
    Elements data = Elements.of(key, 0);
    Elements index = Elements.of(key, 1);
    long size = key.shape(0).dim(axis);
    for (boolean more = walk.start(memory); more; more = walk.next()) {
      long position = index.getLong(walk.address(1));
      OpCheck.element(op, position, size);
      data.copy(walk.address(0) + position * data.stride(axis), walk.address(2));
    }
  }

  static Consumer<Operands> gatherGrad(KernelKey key, int axis) {
    Shape shape = key.shape(2);
    Elements index = Elements.of(key, 0);
    Elements gradient = Elements.of(key, 1);
    int at = shape.axis(axis);
    int indexRank = key.shape(0).rank();
    long[] overIndex = new long[indexRank];
    for (int d = 0; d < indexRank; d++) {
      overIndex[d] = gradient.stride(at + d);
    }
    long[] overOthers = new long[shape.rank()];
    for (int d = 0; d < shape.rank(); d++) {
      overOthers[d] = d == at ? 0 : gradient.stride(d < at ? d : d + indexRank - 1);
    }
    Elements none = new Elements(index.dtype(), new long[shape.rank()]);
    Elements others = new Elements(gradient.dtype(), overOthers);
    Elements picked = new Elements(gradient.dtype(), overIndex);
    return memory ->
        add(
            "gather_grad",
            key,
            at,
            memory,
            new Walk(shape.with(at, 1), none, others, Elements.of(key, 2)),
            new Walk(key.shape(0), index, picked));
  }

  static Consumer<Operands> takeAlongGrad(KernelKey key, int axis) {
    Shape shape = key.shape(2);
    Elements index = Elements.of(key, 0);
    Elements gradient = Elements.of(key, 1);
    int at = shape.axis(axis);
    Elements indexLane = new Elements(index.dtype(), index.stride(at));
    Elements gradientLane = new Elements(gradient.dtype(), gradient.stride(at));
    return memory ->
        add(
            "take_along_grad",
            key,
            at,
            memory,
            new Walk(shape.with(at, 1), index, gradient, Elements.of(key, 2)),
            new Walk(Shape.of(key.shape(0).dim(at)), indexLane, gradientLane));
  }

  /** For each lane of the output along the axis, sums up the gradients that name its elements. */
  private static void add(
      String op, KernelKey key, int axis, Operands memory, Walk lanes, Walk picks) {
    Elements index = Elements.of(key, 0);
    Elements gradient = Elements.of(key, 1);
    Elements out = Elements.of(key, 2);
    double[] sums = new double[key.shape(2).intDim(axis)];
    for (boolean more = lanes.start(memory); more; more = lanes.next()) {
      Arrays.fill(sums, 0);
      boolean any = picks.start(lanes.address(0), lanes.address(1));
      for (; any; any = picks.next()) {
        long position = index.getLong(picks.address(0));
        OpCheck.element(op, position, sums.length);
        sums[(int) position] += gradient.getDouble(picks.address(1));
      }
      for (int i = 0; i < sums.length; i++) {
        out.put(lanes.address(2) + i * out.stride(axis), sums[i]);
      }
    }
  }

  static Consumer<Operands> concat(KernelKey key, int axis) {
    int output = key.inputs();
    int at = key.shape(output).axis(axis);
    Elements out = Elements.of(key, output);
    return memory -> {
      long start = memory.address(output);
      for (int i = 0; i < output; i++) {
        Walk walk = new Walk(key.shape(i), Elements.of(key, i), out);
        for (boolean more = walk.start(memory.address(i), start); more; more = walk.next()) {
          out.copy(walk.address(0), walk.address(1));
        }
        start += key.shape(i).dim(at) * out.stride(at);
      }
    };
  }

  static Consumer<Operands> pad(KernelKey key, Pad pad) {
    Elements in = Elements.of(key, 0);
    Elements out = Elements.of(key, 1);
    long[] spread = new long[key.shape(0).rank()];
    long skipped = 0;
    for (int d = 0; d < spread.length; d++) {
      spread[d] = out.stride(d) * (pad.interior().get(d) + 1);
      skipped += out.stride(d) * pad.low().get(d);
    }
    long first = skipped;
    Consumer<Operands> fill = ReferenceElementwise.fill(key, 1, pad.value());
    return memory -> {
      fill.accept(memory);
      Walk walk = new Walk(key.shape(0), in, new Elements(out.dtype(), spread));
      boolean any = walk.start(memory.address(0), memory.address(1) + first);
      for (boolean more = any; more; more = walk.next()) {
        out.copy(walk.address(0), walk.address(1));
      }
    };
  }
}
