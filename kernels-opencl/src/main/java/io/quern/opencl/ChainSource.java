package io.quern.opencl;

import io.quern.backend.Formulas;
import io.quern.gpu.Chain;
import io.quern.gpu.ChainWriter;
import io.quern.op.ScalarProgram;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Chains of elementwise functions as OpenCL C.
 *
 * @param run elements of a thread, a number that there are vectors of
 */
record ChainSource(int run) implements ChainWriter {
  @Override
  public int run(Chain chain) {
    return run;
  }

  @Override
  public boolean needsAlignment() {
    return false;
  }

  @Override
  public String dense(Chain chain, boolean[] scalar, int perThread) {
    List<String> runs = new ArrayList<>();
    for (int i = 0; i < chain.count(); i++) {
      ElementsSource elements = new ElementsSource(chain.inputs().get(i));
      runs.add(
          scalar[i]
              ? elements.load(1) + "(in" + i + ")"
              : elements.loadPart() + "(in" + i + " + first, left)");
    }
    return elements(chain)
        + function(chain.program(), run)
        + head(chain, 0)
        + "  i64 first = (i64)THREAD_INDEX * "
        + run
        + ";\n"
        + "  i64 left = count - first;\n"
        + "  if (left > 0) {\n    "
        + new ElementsSource(chain.output()).storePart()
        + "(to + first, left, apply("
        + String.join(", ", runs)
        + "));\n  }\n}\n";
  }

  @Override
  public String strided(Chain chain, int rank) {
    return walk(chain, rank, new boolean[chain.count()], 1);
  }

  @Override
  public String rows(Chain chain, int rank, boolean[] scalar) {
    return walk(chain, rank, scalar, run);
  }

  private String walk(Chain chain, int rank, boolean[] scalar, int each) {
    StringBuilder text =
        new StringBuilder(elements(chain))
            .append(function(chain.program(), each))
            .append(head(chain, rank));
    text.append("  i64 first = (i64)THREAD_INDEX * " + each + ";\n");
    text.append("  if (first >= count) {\n    return;\n  }\n  u32 rest = (u32)first;\n");
    for (int d = rank - 1; d > 0; d--) {
      text.append("  u32 c%1$d = rest %% (u32)dim%1$d;\n  rest /= (u32)dim%1$d;\n".formatted(d));
    }
    text.append("  u32 c0 = rest;\n");
    List<String> values = new ArrayList<>();
    for (int i = 0; i < chain.count(); i++) {
      ElementsSource elements = new ElementsSource(chain.inputs().get(i));
      String at = "(const global %s *)((const global char *)in%d".formatted(elements.type(), i);
      for (int d = 0; d < rank; d++) {
        at += " + c%d * stride%d_%d".formatted(d, i, d);
      }
      values.add("%s(%s))".formatted(elements.load(scalar[i] ? 1 : each), at));
    }
    String store = new ElementsSource(chain.output()).store(each);
    return text.append(
            "  " + store + "(to + first, apply(" + String.join(", ", values) + "));\n}\n")
        .toString();
  }

  /** What loads and stores the elements. */
  private String elements(Chain chain) {
    return Stream.concat(chain.inputs().stream(), Stream.of(chain.output()))
        .distinct()
        .map(dtype -> new ElementsSource(dtype).functions(run))
        .collect(Collectors.joining());
  }

  /**
   * The kernel's parameters, see {@link ChainWriter}.
   *
   * @param rank dimensions of a walk, 0 for dense operands
   */
  private static String head(Chain chain, int rank) {
    String to = new ElementsSource(chain.output()).type();
    List<String> parameters = new ArrayList<>(List.of("PASS(" + to + ", to)"));
    StringBuilder takes = new StringBuilder("  TAKE(" + to + ", to);\n");
    for (int i = 0; i < chain.count(); i++) {
      String from = "const " + new ElementsSource(chain.inputs().get(i)).type() + ", in" + i;
      parameters.add("PASS(" + from + ")");
      takes.append("  TAKE(" + from + ");\n");
    }
    parameters.add("i64 count");
    for (int d = rank - 1; d > 0; d--) {
      parameters.add("i64 dim" + d);
    }
    for (int i = 0; i < chain.count(); i++) {
      for (int d = 0; d < rank; d++) {
        parameters.add("i64 stride" + i + "_" + d);
      }
    }
    return "kernel void %s(%s) {\n%s".formatted(NAME, String.join(", ", parameters), takes);
  }

  /** A function that applies the chain to vectors of so many elements. */
  private static String function(ScalarProgram program, int width) {
    Lines lines = new Lines(width);
    List<String> inputs = new ArrayList<>();
    List<String> parameters = new ArrayList<>();
    for (int i = 0; i < program.inputs(); i++) {
      inputs.add("x" + i);
      parameters.add(lines.type("float") + " x" + i);
    }
    String result = new Formulas<>(lines).run(program, inputs);
    return String.format(
        Locale.ROOT,
        "static inline %s apply(%s) {\n%s  return %s;\n}\n\n",
        lines.type("float"),
        String.join(", ", parameters),
        lines.text(),
        result);
  }
}
