package io.quern.onnx;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Sums of products by Einstein's convention. Operands are contracted from left to right; each step
 * is one batched matrix product.
 */
final class Einsum {
  private final Call call;
  private final Map<Character, Long> sizes = new LinkedHashMap<>();

  private Einsum(Call call) {
    this.call = call;
  }

  /** A tensor with one label for each dimension. */
  private record Term(Tensor tensor, List<Character> labels) {}

  static Tensor apply(Call call, String equation, Tensor... operands) {
    return new Einsum(call).run(equation.replace(" ", ""), operands);
  }

  private Tensor run(String equation, Tensor... operands) {
    int arrow = equation.indexOf("->");
    String[] inputs = (arrow < 0 ? equation : equation.substring(0, arrow)).split(",", -1);
    if (inputs.length != operands.length) {
      throw call.error("equation '%s' does not fit %d inputs", equation, operands.length);
    }
    int dots = 0;
    for (int i = 0; i < inputs.length; i++) {
      if (inputs[i].contains("...")) {
        dots = Math.max(dots, operands[i].rank() - (inputs[i].length() - 3));
      }
    }
    List<Term> terms = new ArrayList<>();
    for (int i = 0; i < inputs.length; i++) {
      terms.add(diagonal(term(inputs[i], operands[i])));
    }
    List<Character> output =
        arrow < 0 ? implicit(equation, dots) : labels(equation.substring(arrow + 2), dots);
    Term result = terms.getFirst();
    for (int i = 1; i < terms.size(); i++) {
      Set<Character> later = new LinkedHashSet<>(output);
      terms.subList(i + 1, terms.size()).forEach(term -> later.addAll(term.labels));
      result = multiply(result, terms.get(i), later);
    }
    return arrange(summed(result, new LinkedHashSet<>(output)), output);
  }

  /** Labels of the dots are numbers, counted from the end. */
  private static List<Character> labels(String text, int dots) {
    List<Character> labels = new ArrayList<>();
    for (int i = 0; i < text.length(); i++) {
      if (text.startsWith("...", i)) {
        for (int d = dots; d > 0; d--) {
          labels.add((char) d);
        }
        i += 2;
      } else {
        labels.add(text.charAt(i));
      }
    }
    return labels;
  }

  private Term term(String text, Tensor tensor) {
    int mine = text.contains("...") ? tensor.rank() - (text.length() - 3) : 0;
    List<Character> labels = labels(text, mine);
    if (mine < 0 || labels.size() != tensor.rank()) {
      throw call.error("'%s' does not fit %s", text, tensor.shape());
    }
    for (int d = 0; d < labels.size(); d++) {
      sizes.merge(labels.get(d), tensor.dim(d), Math::max);
    }
    return new Term(tensor, labels);
  }

  /** Dots first, then the labels that occur once, in order. */
  private static List<Character> implicit(String equation, int dots) {
    List<Character> output = labels("...", dots);
    equation
        .chars()
        .filter(c -> c != ',' && c != '.')
        .sorted()
        .distinct()
        .filter(c -> equation.indexOf(c) == equation.lastIndexOf(c))
        .forEach(c -> output.add((char) c));
    return output;
  }

  /** A label that occurs twice stands for the diagonal. */
  private static Term diagonal(Term term) {
    Tensor tensor = term.tensor;
    List<Character> labels = new ArrayList<>(term.labels);
    for (int d = 0; d < labels.size(); d++) {
      int other = labels.lastIndexOf(labels.get(d));
      if (other > d) {
        long size = tensor.dim(d);
        Tensor same =
            ShapeOps.indices(size, d, labels.size())
                .eq(ShapeOps.indices(size, other, labels.size()));
        tensor = Tensor.where(same, tensor, ElementwiseOps.scalar(tensor, 0)).sum(other);
        labels.remove(other);
        d--;
      }
    }
    return new Term(tensor, labels);
  }

  private static Term summed(Term term, Set<Character> kept) {
    Tensor tensor = term.tensor;
    List<Character> labels = new ArrayList<>(term.labels);
    for (int d = labels.size() - 1; d >= 0; d--) {
      if (!kept.contains(labels.get(d))) {
        tensor = tensor.sum(d);
        labels.remove(d);
      }
    }
    return new Term(tensor, labels);
  }

  private Tensor arrange(Term term, List<Character> order) {
    Tensor tensor = term.tensor;
    List<Character> labels = new ArrayList<>(term.labels);
    for (char label : order) {
      if (!labels.contains(label)) {
        throw call.error("output label '%s' is not among the inputs", label);
      }
    }
    int[] axes = order.stream().mapToInt(labels::indexOf).toArray();
    Tensor moved = axes.length < 2 ? tensor : tensor.permute(axes);
    long[] dims = order.stream().mapToLong(sizes::get).toArray();
    return moved.expand(Shape.of(dims));
  }

  private Term multiply(Term left, Term right, Set<Character> later) {
    Set<Character> all = new LinkedHashSet<>(later);
    all.addAll(right.labels);
    Term a = summed(left, all);
    all = new LinkedHashSet<>(later);
    all.addAll(a.labels);
    Term b = summed(right, all);
    List<Character> batch = new ArrayList<>();
    List<Character> inner = new ArrayList<>();
    List<Character> rows = new ArrayList<>();
    List<Character> columns = new ArrayList<>();
    for (char label : a.labels) {
      if (!b.labels.contains(label)) {
        rows.add(label);
      } else if (later.contains(label)) {
        batch.add(label);
      } else {
        inner.add(label);
      }
    }
    for (char label : b.labels) {
      if (!a.labels.contains(label)) {
        columns.add(label);
      }
    }
    Tensor x = grouped(a, batch, rows, inner);
    Tensor y = grouped(b, batch, inner, columns);
    Tensor product = x.dtype() == DType.BOOL ? x.to(DType.U8).matmul(y.to(DType.U8)) : x.matmul(y);
    List<Character> labels = new ArrayList<>(batch);
    labels.addAll(rows);
    labels.addAll(columns);
    return new Term(
        product.reshape(Shape.of(labels.stream().mapToLong(sizes::get).toArray())), labels);
  }

  /** [batch, first, second], each of them joined. */
  private Tensor grouped(
      Term term, List<Character> batch, List<Character> first, List<Character> second) {
    List<Character> order = new ArrayList<>(batch);
    order.addAll(first);
    order.addAll(second);
    return arrange(term, order).reshape(size(batch), size(first), size(second));
  }

  private long size(List<Character> labels) {
    return labels.stream().mapToLong(sizes::get).reduce(1, Math::multiplyExact);
  }
}
