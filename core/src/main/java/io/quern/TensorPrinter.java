package io.quern;

import java.util.Locale;

/** Writes a tensor's elements in nested brackets. */
final class TensorPrinter {
  private static final long WHOLE = 1000;
  private static final long EDGE = 3;

  private final Tensor tensor;
  private final boolean abridged;
  private final StringBuilder text = new StringBuilder();

  private TensorPrinter(Tensor tensor) {
    this.tensor = tensor;
    this.abridged = tensor.size() > WHOLE;
  }

  static String print(Tensor tensor) {
    TensorPrinter printer = new TensorPrinter(tensor);
    try (var _ = TensorScope.open("printing")) {
      printer.print(tensor, 0);
    }
    return printer.text.toString();
  }

  private void print(Tensor part, int depth) {
    if (part.rank() == 0) {
      text.append(element(part.item()));
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

  private String element(double value) {
    if (!tensor.dtype().isFloat()) {
      return Long.toString((long) value);
    }
    return value == Math.rint(value) && Math.abs(value) < 1e6
        ? String.format(Locale.ROOT, "%.1f", value)
        : String.format(Locale.ROOT, "%.5g", value);
  }
}
