package io.quern.cpu.asm;

import static java.util.stream.Collectors.joining;

import java.util.ArrayList;
import java.util.List;

/** Instructions in Intel's syntax, as the GNU assembler reads them; text only when it is read. */
final class Listing {
  private record Line(Object name, List<Object> operands) {
    String text() {
      String text = name instanceof Label ? name + ":" : name.toString();
      return operands.isEmpty()
          ? text
          : text + " " + operands.stream().map(Object::toString).collect(joining(", "));
    }
  }

  private final List<Line> lines = new ArrayList<>();

  /**
   * Adds a line.
   *
   * @param name of an instruction or directive, by its {@code toString}, or a label
   */
  void add(Object name, Object... operands) {
    lines.add(new Line(name, List.of(operands)));
  }

  /** Adds a store, whose mask stands with the memory. */
  void addStore(VectorOp name, Mem to, Vec from) {
    Mask mask = from.mask();
    Vec vector = Vec.of(from.number(), from.bits());
    add(name, mask.number() == 0 ? to : new Masked(to, mask), vector);
  }

  private record Masked(Mem memory, Mask mask) {
    @Override
    public String toString() {
      return memory + "{" + mask + "}";
    }
  }

  List<String> text() {
    return lines.stream().map(Line::text).toList();
  }
}
