package io.quern.cuda.ptx;

import io.quern.backend.Formulas;
import io.quern.gpu.Chain;
import io.quern.gpu.ChainWriter;
import io.quern.op.ScalarProgram;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A chain of elementwise functions as a PTX module of one function, with parameters of 64 bits. */
public final class ChainPtx {
  /** Elements next to each other that a thread computes where operands are dense. */
  private static final int RUN = 4;

  /** The same where an operand's elements have 16 bits. */
  private static final int NARROW_RUN = 8;

  /** Runs of a thread, which it loads before it computes them. */
  private static final int RUNS = 2;

  /**
   * As many blocks of a multiprocessor are enough, so that there are registers for all that is
   * loaded; without that, for functions of many instructions, the assembler loads late.
   */
  private static final int BLOCKS = 6;

  /** The same where an operand's elements have 16 bits, so that runs are longer. */
  private static final int NARROW_BLOCKS = 5;

  private final Chain chain;
  private final ScalarProgram program;
  private final int run;
  private final boolean isNewer;
  private final PtxWriter out = new PtxWriter();
  private final ElementsPtx elements;
  private String directives = "";
  private final List<String> parameters = new ArrayList<>();

  private ChainPtx(Chain chain, int capability) {
    this.chain = chain;
    this.program = chain.program();
    this.run = run(chain);
    this.isNewer = chain.hasNarrow() && capability >= 80;
    this.elements = new ElementsPtx(out, isNewer);
  }

  private static int run(Chain chain) {
    return chain.hasNarrow() ? NARROW_RUN : RUN;
  }

  /** What writes chains for a compute capability, such as 90 for 9.0. */
  public static ChainWriter writer(int capability) {
    return new Writer(capability);
  }

  private record Writer(int capability) implements ChainWriter {
    @Override
    public int run(Chain chain) {
      return ChainPtx.run(chain);
    }

    @Override
    public int runs() {
      return RUNS;
    }

    @Override
    public boolean needsAlignment() {
      return true;
    }

    @Override
    public String dense(Chain chain, boolean[] scalar, int runs) {
      return new ChainPtx(chain, capability).dense(scalar, runs);
    }

    @Override
    public String strided(Chain chain, int rank) {
      return new ChainPtx(chain, capability).walk(rank, null);
    }

    @Override
    public String rows(Chain chain, int rank, boolean[] scalar) {
      return new ChainPtx(chain, capability).walk(rank, scalar);
    }
  }

  private String dense(boolean[] scalar, int runs) {
    String result = pointer("out");
    List<String> inputs = new ArrayList<>();
    for (int i = 0; i < chain.count(); i++) {
      inputs.add(pointer("in" + i));
    }
    String count = count();
    String apart = runs > 1 ? apart() : "";
    String first = elementIndex(run, runs);
    leaveUnless(first, count);
    List<String> scalars = new ArrayList<>();
    for (int i = 0; i < inputs.size(); i++) {
      scalars.add(scalar[i] ? load(i, inputs.get(i)) : "");
    }
    List<String> firsts = new ArrayList<>(List.of(first));
    while (firsts.size() < runs) {
      firsts.add(out.plus(firsts.getLast(), apart));
    }
    if (runs > 1) {
      directives =
          ".maxntid 256, 1, 1\n.minnctapersm "
              + (chain.hasNarrow() ? NARROW_BLOCKS : BLOCKS)
              + "\n";
      branchIfPartial(firsts.getLast(), count, "EACH");
      denseRuns(result, inputs, scalars, firsts);
      out.line("ret;");
      out.label("EACH");
    }
    branchIfPartial(first, count, "PARTIAL");
    denseRuns(result, inputs, scalars, List.of(first));
    if (runs > 1) {
      String last = out.newPredicate();
      out.line("setp.ge.u32 %s, %s, %s;", last, first, firsts.getLast());
      out.line("@%s ret;", last);
      out.line("add.s32 %s, %s, %s;", first, first, apart);
      branchIfLess(first, count, "EACH");
    }
    out.line("ret;");

    out.label("PARTIAL");
    List<String> values = new ArrayList<>();
    for (int i = 0; i < inputs.size(); i++) {
      values.add(scalar[i] ? scalars.get(i) : load(i, element(i, inputs.get(i), first)));
    }
    String value = new Formulas<>(out).run(program, values);
    elements.store(outputElement(result, first), value, chain.output());
    out.line("add.s32 %s, %s, 1;", first, first);
    branchIfLess(first, count, "PARTIAL");
    out.line("ret;");
    return text();
  }

  /** Loads all of some runs, then computes and stores them. */
  private void denseRuns(
      String result, List<String> inputs, List<String> scalars, List<String> firsts) {
    List<List<List<String>>> loaded = new ArrayList<>();
    for (String first : firsts) {
      List<List<String>> runs = new ArrayList<>();
      for (int i = 0; i < inputs.size(); i++) {
        runs.add(
            scalars.get(i).isEmpty()
                ? loadRun(i, element(i, inputs.get(i), first))
                : List.of(scalars.get(i)));
      }
      loaded.add(runs);
    }
    for (int i = 0; i < firsts.size(); i++) {
      computeRun(loaded.get(i), outputElement(result, firsts.get(i)));
    }
  }

  /**
   * Computes a run.
   *
   * @param runs what was loaded of each input, or an element that stands for all
   */
  private void computeRun(List<List<String>> runs, String to) {
    List<String> words = new ArrayList<>();
    for (int lane = 0; lane < run; lane += 2) {
      List<String> firsts = new ArrayList<>();
      List<String> seconds = new ArrayList<>();
      for (int i = 0; i < runs.size(); i++) {
        List<String> elementsOfRun = runs.get(i);
        List<String> pair =
            elementsOfRun.size() == 1
                ? Collections.nCopies(2, elementsOfRun.getFirst())
                : elements.pair(elementsOfRun, lane, chain.inputs().get(i));
        firsts.add(pair.getFirst());
        seconds.add(pair.getLast());
      }
      Formulas<String> formulas = new Formulas<>(out);
      words.addAll(
          elements.stored(
              formulas.run(program, firsts), formulas.run(program, seconds), chain.output()));
    }
    elements.storeRun(to, words, chain.output());
  }

  private void branchIfPartial(String first, String count, String label) {
    String end = out.newInt();
    out.line("add.s32 %s, %s, %d;", end, first, run);
    String partial = out.newPredicate();
    out.line("setp.gt.u32 %s, %s, %s;", partial, end, count);
    out.line("@%s bra %s;", partial, label);
  }

  private void branchIfLess(String index, String count, String label) {
    String less = out.newPredicate();
    out.line("setp.lt.u32 %s, %s, %s;", less, index, count);
    out.line("@%s bra %s;", less, label);
  }

  /** A thread computes a run of elements, or one where {@code scalar} is null. */
  private String walk(int rank, boolean @Nullable [] scalar) {
    String result = pointer("out");
    List<String> addresses = new ArrayList<>();
    for (int i = 0; i < chain.count(); i++) {
      addresses.add(pointer("in" + i));
    }
    String count = count();
    String index = elementIndex(scalar == null ? 1 : run, 1);
    leaveUnless(index, count);
    List<String> coordinates = coordinates(index, rank);
    List<List<String>> runs = new ArrayList<>();
    for (int i = 0; i < addresses.size(); i++) {
      String address = addresses.get(i);
      for (int d = 0; d < rank; d++) {
        String wide = out.newLong();
        out.line("cvt.u64.u32 %s, %s;", wide, coordinates.get(d));
        String stride = parameter("stride%d_%d".formatted(i, d));
        String further = out.newLong();
        out.line("mad.lo.s64 %s, %s, %s, %s;", further, wide, stride, address);
        address = further;
      }
      boolean isRun = scalar != null && !scalar[i];
      runs.add(isRun ? loadRun(i, address) : List.of(load(i, address)));
    }
    String to = outputElement(result, index);
    if (scalar == null) {
      List<String> values = runs.stream().map(List::getFirst).toList();
      elements.store(to, new Formulas<>(out).run(program, values), chain.output());
    } else {
      computeRun(runs, to);
    }
    out.line("ret;");
    return text();
  }

  /** Names of the coordinates of an element, outermost first. */
  private List<String> coordinates(String index, int rank) {
    List<String> coordinates = new ArrayList<>();
    String rest = index;
    for (int d = rank - 1; d > 0; d--) {
      String dim = out.newInt();
      out.line("cvt.u32.u64 %s, %s;", dim, parameter("dim" + d));
      String next = out.newInt();
      out.line("div.u32 %s, %s, %s;", next, rest, dim);
      String whole = out.newInt();
      out.line("mul.lo.u32 %s, %s, %s;", whole, next, dim);
      coordinates.addFirst(out.minus(rest, whole));
      rest = next;
    }
    coordinates.addFirst(rest);
    return coordinates;
  }

  private String text() {
    StringBuilder text =
        new StringBuilder(isNewer ? ".version 7.0\n.target sm_80" : ".version 6.3\n.target sm_75");
    text.append("\n.address_size 64\n\n.visible .entry ").append(ChainWriter.NAME).append("(\n");
    for (int i = 0; i < parameters.size(); i++) {
      text.append("\t.param .u64 ").append(parameters.get(i));
      text.append(i < parameters.size() - 1 ? ",\n" : "\n");
    }
    return text.append(")\n")
        .append(directives)
        .append("{\n")
        .append(out.body())
        .append("}\n")
        .toString();
  }

  private String parameter(String name) {
    parameters.add(name);
    String value = out.newLong();
    out.line("ld.param.u64 %s, [%s];", value, name);
    return value;
  }

  private String pointer(String name) {
    String generic = parameter(name);
    String global = out.newLong();
    out.line("cvta.to.global.u64 %s, %s;", global, generic);
    return global;
  }

  /** The number of elements, which 32 bits hold. */
  private String count() {
    String count = out.newInt();
    out.line("cvt.u32.u64 %s, %s;", count, parameter("count"));
    return count;
  }

  /** Elements between the runs of a thread. */
  private String apart() {
    String apart = out.newInt();
    out.line("mul.lo.u32 %s, %s, %d;", apart, threads(), run);
    return apart;
  }

  private String threads() {
    String threads = out.newInt();
    out.line("mov.u32 %s, %%ntid.x;", threads);
    return threads;
  }

  /** Index of the first of so many elements of this thread, and so many such runs of its block. */
  private String elementIndex(int run, int runs) {
    String block = out.newInt();
    String threads = threads();
    String thread = out.newInt();
    out.line("mov.u32 %s, %%ctaid.x;", block);
    out.line("mov.u32 %s, %%tid.x;", thread);
    String before = out.newInt();
    out.line("mul.lo.u32 %s, %s, %d;", before, block, runs);
    String index = out.newInt();
    out.line("mad.lo.u32 %s, %s, %s, %s;", index, before, threads, thread);
    String first = out.newInt();
    out.line("mul.lo.u32 %s, %s, %d;", first, index, run);
    return first;
  }

  private void leaveUnless(String index, String count) {
    String beyond = out.newPredicate();
    out.line("setp.ge.u32 %s, %s, %s;", beyond, index, count);
    out.line("@%s ret;", beyond);
  }

  private String element(int input, String address, String index) {
    return elements.element(address, index, chain.inputs().get(input));
  }

  private String outputElement(String address, String index) {
    return elements.element(address, index, chain.output());
  }

  private String load(int input, String address) {
    return elements.load(address, chain.inputs().get(input));
  }

  private List<String> loadRun(int input, String address) {
    return elements.loadRun(address, run, chain.inputs().get(input));
  }
}
