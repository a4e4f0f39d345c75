package io.quern;

import io.quern.grad.Tape;
import java.util.Arrays;
import java.util.Locale;

/** Writes a tensor's elements in nested brackets. */
final class TensorPrinter {
  private static final long WHOLE = 1000;
  private static final long EDGE = 3;

  private final boolean abridged;
  private final StringBuilder text = new StringBuilder();

  private TensorPrinter(Tensor tensor) {
    this.abridged =
        tensor.size() > WHOLE
            || Arrays.stream(tensor.shape().toArray()).anyMatch(dim -> dim > WHOLE);
  }

  static String print(Tensor tensor) {
    TensorPrinter printer = new TensorPrinter(tensor);
    try (var _ = TensorScope.open("printing")) {
      return Tape.withoutRecording(
          () -> {
            printer.print(tensor, 0);
            return printer.text.toString();
          });
    }
  }

  private void print(Tensor part, int depth) {
    if (part.rank() == 0) {
      text.append(element(part));
      return;
    }
    text.append('[');
    long size = part.dim(0);
    for (long i = 0; i < size; i++) {
      if (abridged && size > 2 * EDGE && i == EDGE) {
        separate(part, depth);
        text.append("...");
        i = size - EDGE;
      }
      if (i > 0) {
        separate(part, depth);
      }
      print(part.select(0, i), depth + 1);
    }
    text.append(']');
  }

  private void separate(Tensor part, int depth) {
    text.append(part.rank() == 1 ? ", " : ",\n" + " ".repeat(depth + 1));
  }

  private static String element(Tensor scalar) {
    if (!scalar.dtype().isFloat()) {
      return Long.toString(scalar.toLongArray()[0]);
    }
    double value = scalar.item();
    return value == Math.rint(value) && Math.abs(value) < 1e6
        ? String.format(Locale.ROOT, "%.1f", value)
        : String.format(Locale.ROOT, "%.5g", value);
  }
}
