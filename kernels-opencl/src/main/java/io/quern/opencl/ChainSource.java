package io.quern.opencl;

import io.quern.backend.Formulas;
import io.quern.gpu.ChainWriter;
import io.quern.op.ScalarProgram;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Chains of elementwise functions as OpenCL C.
 *
 * @param run elements of a thread, a number that there are vectors of
 */
record ChainSource(int run) implements ChainWriter {
  /** A run of elements, or as many as there are. */
  private static final String PARTS =
      """
      static inline floatN load_part(const global float *from, i64 count) {
        if (count >= N) {
          return vloadN(0, from);
        }
        float part[N];
        for (int i = 0; i < N; i++) {
          part[i] = i < count ? from[i] : 0.0f;
        }
        return vloadN(0, part);
      }

      static inline void store_part(global float *to, i64 count, floatN run) {
        if (count >= N) {
          vstoreN(run, 0, to);
          return;
        }
        float part[N];
        vstoreN(run, 0, part);
        for (int i = 0; i < count; i++) {
          to[i] = part[i];
        }
      }

      """;

  @Override
  public boolean needsAlignment() {
    return false;
  }

  @Override
  public String dense(ScalarProgram program, boolean[] scalar, int perThread) {
    List<String> runs = new ArrayList<>();
    for (int i = 0; i < program.inputs(); i++) {
      runs.add(scalar[i] ? "*in" + i : "load_part(in" + i + " + first, left)");
    }
    return PARTS.replace("N", Integer.toString(run))
        + function(program, run)
        + head(program, 0)
        + "  i64 first = (i64)THREAD_INDEX * "
        + run
        + ";\n"
        + "  i64 left = count - first;\n"
        + "  if (left > 0) {\n"
        + "    store_part(to + first, left, apply("
        + String.join(", ", runs)
        + "));\n  }\n}\n";
  }

  @Override
  public String strided(ScalarProgram program, int rank) {
    return walk(program, rank, new boolean[program.inputs()], 1);
  }

  @Override
  public String rows(ScalarProgram program, int rank, boolean[] scalar) {
    return walk(program, rank, scalar, run);
  }

  private String walk(ScalarProgram program, int rank, boolean[] scalar, int each) {
    StringBuilder text = new StringBuilder(function(program, each)).append(head(program, rank));
    text.append("  i64 first = (i64)THREAD_INDEX * " + each + ";\n");
    text.append("  if (first >= count) {\n    return;\n  }\n  u32 rest = (u32)first;\n");
    for (int d = rank - 1; d > 0; d--) {
      text.append("  u32 c%1$d = rest %% (u32)dim%1$d;\n  rest /= (u32)dim%1$d;\n".formatted(d));
    }
    text.append("  u32 c0 = rest;\n");
    List<String> values = new ArrayList<>();
    for (int i = 0; i < program.inputs(); i++) {
      String at = "(const global float *)((const global char *)in%d".formatted(i);
      for (int d = 0; d < rank; d++) {
        at += " + c%d * stride%d_%d".formatted(d, i, d);
      }
      values.add(each == 1 || scalar[i] ? "*" + at + ")" : "vload%d(0, %s))".formatted(each, at));
    }
    return text.append(store("first", values, each)).append("}\n").toString();
  }

  private static String store(String at, List<String> values, int each) {
    String result = "apply(" + String.join(", ", values) + ")";
    return each == 1
        ? "  to[%s] = %s;\n".formatted(at, result)
        : "  vstore%d(%s, 0, to + %s);\n".formatted(each, result, at);
  }

  /**
   * The kernel's parameters, see {@link ChainWriter}.
   *
   * @param rank dimensions of a walk, 0 for dense operands
   */
  private static String head(ScalarProgram program, int rank) {
    List<String> parameters = new ArrayList<>(List.of("PASS(float, to)"));
    StringBuilder takes = new StringBuilder("  TAKE(float, to);\n");
    for (int i = 0; i < program.inputs(); i++) {
      parameters.add("PASS(const float, in" + i + ")");
      takes.append("  TAKE(const float, in" + i + ");\n");
    }
    parameters.add("i64 count");
    for (int d = rank - 1; d > 0; d--) {
      parameters.add("i64 dim" + d);
    }
    for (int i = 0; i < program.inputs(); i++) {
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
