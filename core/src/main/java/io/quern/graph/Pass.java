package io.quern.graph;

import io.quern.runtime.Knob;
import java.util.Arrays;
import java.util.List;
import java.util.function.UnaryOperator;

/**
 * A rewriting of graphs that keeps what they compute, to the last bit. Each can be switched off by
 * name.
 */
public enum Pass {
  /** Removes ops that change nothing, and joins views. */
  SIMPLIFY(Simplify::apply),
  /** Computes what does not depend on the arguments. */
  FOLD(graph -> Fold.apply(Unpack.apply(graph))),
  /** Computes equal things once. */
  CSE(CommonSubexpressions::apply),
  /** Drops what nobody uses. */
  DEAD_CODE(DeadCode::apply),
  /** Turns chains of elementwise functions into one op. */
  FUSE(FuseElementwise::apply),
  /** Joins products and the elementwise functions of their results. */
  EPILOGUES(FuseEpilogues::apply),
  /** Joins convolutions and the maxima of their results. */
  POOLS(FusePools::apply),
  /** Joins elementwise functions and the reduction of their results. */
  REDUCTIONS(FuseReductions::apply);

  private static final Knob OFF =
      Knob.of("quern.passes.off", "", "graph passes to leave out, such as fuse,cse; or all");

  private final UnaryOperator<Graph> rewriting;

  Pass(UnaryOperator<Graph> rewriting) {
    this.rewriting = rewriting;
  }

  /** The rewritten graph. */
  public Graph apply(Graph graph) {
    return rewriting.apply(graph);
  }

  /** Name in settings and listings. */
  public String label() {
    return name().toLowerCase(java.util.Locale.ROOT);
  }

  /**
   * All passes but those that the knob {@code quern.passes.off} names.
   *
   * @throws IllegalArgumentException if it names one that does not exist
   */
  public static List<Pass> enabled() {
    List<String> off = List.of(OFF.value().strip().split("\\s*,\\s*", -1));
    List<String> known = Arrays.stream(values()).map(Pass::label).toList();
    for (String name : off) {
      if (!name.isEmpty() && !name.equals("all") && !known.contains(name)) {
        throw new IllegalArgumentException(
            OFF.name() + ": expected some of " + known + " or all, found " + name);
      }
    }
    return off.contains("all")
        ? List.of()
        : Arrays.stream(values()).filter(pass -> !off.contains(pass.label())).toList();
  }
}
