package io.quern.cpu.rows;

import static io.quern.cpu.asm.Reg.R10;
import static io.quern.cpu.asm.Reg.R11;
import static io.quern.cpu.asm.Reg.R12;
import static io.quern.cpu.asm.Reg.R13;
import static io.quern.cpu.asm.Reg.R14;
import static io.quern.cpu.asm.Reg.R15;
import static io.quern.cpu.asm.Reg.R8;
import static io.quern.cpu.asm.Reg.R9;
import static io.quern.cpu.asm.Reg.RAX;
import static io.quern.cpu.asm.Reg.RBP;
import static io.quern.cpu.asm.Reg.RBX;
import static io.quern.cpu.asm.Reg.RCX;
import static io.quern.cpu.asm.Reg.RDI;
import static io.quern.cpu.asm.Reg.RDX;
import static io.quern.cpu.asm.Reg.RSI;
import static io.quern.cpu.asm.VectorOp.VADDPS;
import static io.quern.cpu.asm.VectorOp.VBROADCASTSS;
import static io.quern.cpu.asm.VectorOp.VDIVPS;
import static io.quern.cpu.asm.VectorOp.VFMADD213PS;
import static io.quern.cpu.asm.VectorOp.VFMADD231PS;
import static io.quern.cpu.asm.VectorOp.VMAXPS;
import static io.quern.cpu.asm.VectorOp.VMOVNTPS;
import static io.quern.cpu.asm.VectorOp.VMOVUPS;
import static io.quern.cpu.asm.VectorOp.VMULPS;
import static io.quern.cpu.asm.VectorOp.VSQRTPS;
import static io.quern.cpu.asm.VectorOp.VSUBPS;
import static io.quern.cpu.asm.VectorOp.VXORPS;

import io.quern.backend.Formulas;
import io.quern.cpu.asm.Assembler;
import io.quern.cpu.asm.Assembler.Condition;
import io.quern.cpu.asm.Label;
import io.quern.cpu.asm.Mask;
import io.quern.cpu.asm.Mem;
import io.quern.cpu.asm.Reg;
import io.quern.cpu.asm.Vec;
import io.quern.cpu.asm.VectorCode;
import io.quern.cpu.asm.VectorTrace;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.IntStream;

/**
 * Machine code of ops on rows, functions of the address of a table of {@link Argument}s. Vector i
 * of a row goes to sum {@code i % 4}, so that element i of a sum goes to lane {@code i % 64}, and
 * lanes are folded by halves, as {@link RowMath} says. While the last pass over a row runs, the
 * next row is asked for.
 */
final class RowCode {
  /** What the table has, 8 bytes each. */
  enum Argument {
    X(0),
    TO(8),
    ROWS(16),
    /** Bytes of a row. */
    ROW_BYTES(24),
    /** Bytes of its whole vectors. */
    VECTOR_BYTES(32),
    /** Bytes of its whole blocks of four vectors. */
    BLOCK_BYTES(40),
    /** A bit for each element beyond whole vectors. */
    REST(48),
    GAMMA(56),
    BETA(64),
    /** Where two rows are kept for the next pass. */
    KEPT(72),
    /** Elements of a row, a float. */
    LENGTH(80),
    /** A float. */
    EPSILON(88);

    final int offset;

    Argument(int offset) {
      this.offset = offset;
    }

    Mem in(Reg table) {
      return Mem.at(table, offset);
    }
  }

  private static final int BITS = 512;
  private static final int BYTES = BITS / 8;
  private static final int SUMS = 4;

  private static final Reg TABLE = RDI;
  private static final Reg X = RSI;
  private static final Reg TO = RDX;
  private static final Reg ROWS = RCX;
  private static final Reg ROW_BYTES = R8;
  private static final Reg END = R9;
  private static final Reg BLOCKS_END = R10;
  private static final Reg KEPT = R11;
  private static final Reg GAMMA = RBX;
  private static final Reg BETA = R12;
  private static final Reg NEXT_X = R13;
  private static final Reg LEFT = R14;
  private static final Reg PREVIOUS = RBP;
  private static final Reg STEP = R15;
  private static final Reg AT = RAX;
  private static final List<Reg> SAVED = List.of(RBX, RBP, R12, R13, R14, R15);

  private static final Mask REST = VectorCode.spareMask();
  private static final Vec SHIFT = vec(SUMS);
  private static final Vec FACTOR = vec(SUMS + 1);
  private static final Vec LOADED = vec(SUMS + 2);
  private static final Vec OTHER = vec(SUMS + 3);
  private static final int FREE = SUMS + 4;

  /**
   * A vector of a row, of which there may be a part only.
   *
   * @param sum the register that it is added to
   * @param offset bytes from the place of the loop
   * @param mask the elements that there are
   */
  private record Part(Vec sum, int offset, Mask mask) {}

  private final Assembler asm = new Assembler();
  private final boolean streams;

  /**
   * Code whose results are stored past the caches if {@code streams}: rows are whole lines then.
   */
  RowCode(boolean streams) {
    this.streams = streams;
  }

  /** {@code to = exp(x - max) / sum}. */
  Assembler softmax() {
    VectorTrace trace = new VectorTrace();
    int result = new Formulas<>(trace).expNegative(trace.input(0));
    VectorCode exp = new VectorCode(asm, trace, result, RowCode::noUniforms, SUMS, FREE);
    begin();
    exp.prepare();
    return streams ? streamedSoftmax(exp) : cachedSoftmax(exp);
  }

  private Assembler cachedSoftmax(VectorCode exp) {
    Label next = row();
    exponentials(exp, TO, part -> {});
    each(part -> scale(TO, part));
    return end(next);
  }

  /**
   * A row is stored while the exponentials of the next one are computed, which leaves the memory
   * something to do. The first row has none before it: what is stored then is overwritten later.
   */
  private Assembler streamedSoftmax(VectorCode exp) {
    asm.lea(PREVIOUS, Mem.at(KEPT, ROW_BYTES, 1));
    asm.sub(STEP, STEP);
    Label next = row();
    exponentials(exp, KEPT, part -> scale(PREVIOUS, part));
    asm.mov(AT, PREVIOUS);
    asm.mov(PREVIOUS, KEPT);
    asm.mov(KEPT, AT);
    asm.add(TO, STEP);
    asm.mov(STEP, ROW_BYTES);
    asm.mov(X, NEXT_X);
    asm.sub(ROWS, 1);
    asm.jump(Condition.NE, next);
    each(part -> scale(PREVIOUS, part));
    asm.sfence();
    return ret();
  }

  /**
   * The exponentials of a row and, to FACTOR, the inverse of their sum.
   *
   * @param more what else is done for each vector, with FACTOR as it was before
   */
  private void exponentials(VectorCode exp, Reg to, Consumer<Part> more) {
    largest();
    clearSums();
    eachBlock(
        parts -> {
          List<Vec> results =
              exp.write(
                  parts.size(),
                  (i, input, vec) -> {
                    load(vec, X, parts.get(i));
                    asm.op(VSUBPS, vec, vec, SHIFT);
                  });
          for (int i = 0; i < parts.size(); i++) {
            Part part = parts.get(i);
            asm.op(VMOVUPS, at(to, part), results.get(i).masked(part.mask));
            asm.op(VADDPS, part.sum.masked(part.mask), part.sum, results.get(i));
            askForNextRow(part);
            more.accept(part);
          }
        });
    VectorCode.foldLanes(asm, VADDPS);
    asm.op(VBROADCASTSS, FACTOR, asm.constant(1));
    asm.op(VDIVPS, FACTOR, FACTOR, vec(0));
  }

  private void scale(Reg from, Part part) {
    load(LOADED, from, part);
    asm.op(VMULPS, LOADED, LOADED, FACTOR);
    store(part);
  }

  /** {@code to = (x - mean) * scale * gamma + beta}. */
  Assembler layerNorm() {
    begin();
    Label next = row();
    clearSums();
    each(
        part -> {
          load(LOADED, X, part);
          asm.op(VADDPS, part.sum.masked(part.mask), part.sum, LOADED);
        });
    VectorCode.foldLanes(asm, VADDPS);
    asm.op(VDIVPS, SHIFT, vec(0), Argument.LENGTH.in(TABLE).repeated(BITS));
    scaleOf(true);
    each(
        part -> {
          load(LOADED, X, part);
          askForNextRow(part);
          asm.op(VSUBPS, LOADED, LOADED, SHIFT);
          asm.op(VMULPS, LOADED, LOADED, FACTOR);
          load(OTHER, BETA, part);
          load(vec(FREE), GAMMA, part);
          asm.op(VFMADD213PS, LOADED, vec(FREE), OTHER);
          store(part);
        });
    return end(next);
  }

  /** {@code to = x * scale * gamma}. */
  Assembler rmsNorm() {
    begin();
    Label next = row();
    scaleOf(false);
    each(
        part -> {
          load(LOADED, X, part);
          askForNextRow(part);
          asm.op(VMULPS, LOADED, LOADED, FACTOR);
          load(OTHER, GAMMA, part);
          asm.op(VMULPS, LOADED, LOADED, OTHER);
          store(part);
        });
    return end(next);
  }

  private static Mem noUniforms(int input) {
    throw new IllegalArgumentException("input " + input);
  }

  private static Vec vec(int number) {
    return Vec.of(number, BITS);
  }

  private static Mem at(Reg row, Part part) {
    return Mem.at(row, AT, 1).plus(part.offset);
  }

  private void begin() {
    SAVED.forEach(asm::push);
    asm.mov(AT, Argument.REST.in(TABLE));
    asm.kmov(REST, AT);
    asm.mov(X, Argument.X.in(TABLE));
    asm.mov(TO, Argument.TO.in(TABLE));
    asm.mov(ROWS, Argument.ROWS.in(TABLE));
    asm.mov(ROW_BYTES, Argument.ROW_BYTES.in(TABLE));
    asm.mov(END, Argument.VECTOR_BYTES.in(TABLE));
    asm.mov(BLOCKS_END, Argument.BLOCK_BYTES.in(TABLE));
    asm.mov(GAMMA, Argument.GAMMA.in(TABLE));
    asm.mov(BETA, Argument.BETA.in(TABLE));
    asm.mov(KEPT, Argument.KEPT.in(TABLE));
  }

  private Label row() {
    Label row = asm.here();
    asm.lea(NEXT_X, Mem.at(X, ROW_BYTES, 1));
    return row;
  }

  private Assembler end(Label nextRow) {
    asm.mov(X, NEXT_X);
    asm.add(TO, ROW_BYTES);
    asm.sub(ROWS, 1);
    asm.jump(Condition.NE, nextRow);
    if (streams) {
      asm.sfence();
    }
    return ret();
  }

  private Assembler ret() {
    asm.vzeroupper();
    SAVED.reversed().forEach(asm::pop);
    asm.ret();
    return asm;
  }

  /** Writes a loop over the vectors of a row. */
  private void each(Consumer<Part> body) {
    eachBlock(parts -> parts.forEach(body));
  }

  /** Writes a loop over the vectors of a row: blocks of four, then single ones, then a part. */
  private void eachBlock(Consumer<List<Part>> body) {
    Label rest = asm.label();
    Label done = asm.label();
    asm.sub(AT, AT);
    asm.test(BLOCKS_END, BLOCKS_END);
    asm.jump(Condition.E, rest);
    asm.align(32);
    Label next = asm.here();
    body.accept(
        IntStream.range(0, SUMS).mapToObj(i -> new Part(vec(i), i * BYTES, Mask.ALL)).toList());
    asm.add(AT, SUMS * BYTES);
    asm.cmp(AT, BLOCKS_END);
    asm.jump(Condition.B, next);
    asm.bind(rest);
    asm.mov(LEFT, Argument.REST.in(TABLE));
    for (int i = 0; i < SUMS; i++) {
      Label whole = asm.label();
      asm.cmp(AT, END);
      asm.jump(Condition.B, whole);
      asm.test(LEFT, LEFT);
      asm.jump(Condition.E, done);
      body.accept(List.of(new Part(vec(i), 0, REST)));
      asm.jmp(done);
      asm.bind(whole);
      if (i < SUMS - 1) {
        body.accept(List.of(new Part(vec(i), 0, Mask.ALL)));
        asm.add(AT, BYTES);
      }
    }
    asm.bind(done);
  }

  private void load(Vec to, Reg row, Part part) {
    asm.op(VMOVUPS, part.mask.equals(Mask.ALL) ? to : to.zeroed(part.mask), at(row, part));
  }

  private void store(Part part) {
    asm.op(streams ? VMOVNTPS : VMOVUPS, at(TO, part), LOADED.masked(part.mask));
  }

  private void askForNextRow(Part part) {
    asm.prefetch(at(NEXT_X, part));
  }

  private void clearSums() {
    for (int i = 0; i < SUMS; i++) {
      Vec low = vec(i).bits(128); // clears the whole register
      asm.op(VXORPS, low, low, low);
    }
  }

  /** The largest element to SHIFT, leaving out NaN. */
  private void largest() {
    for (int i = 0; i < SUMS; i++) {
      asm.op(VBROADCASTSS, vec(i), asm.constant(Float.NEGATIVE_INFINITY));
    }
    each(
        part -> {
          load(LOADED, X, part);
          asm.op(VMAXPS, part.sum.masked(part.mask), LOADED, part.sum); // of a NaN, the second one
        });
    VectorCode.foldLanes(asm, VMAXPS);
    asm.op(VMOVUPS, SHIFT, vec(0));
  }

  /** The inverse of the root of the mean square of the distances from SHIFT, to FACTOR. */
  private void scaleOf(boolean shifted) {
    clearSums();
    each(
        part -> {
          load(LOADED, X, part);
          if (shifted) {
            asm.op(VSUBPS, LOADED, LOADED, SHIFT);
          }
          asm.op(VFMADD231PS, part.sum.masked(part.mask), LOADED, LOADED);
        });
    VectorCode.foldLanes(asm, VADDPS);
    asm.op(VDIVPS, LOADED, vec(0), Argument.LENGTH.in(TABLE).repeated(BITS));
    asm.op(VADDPS, LOADED, LOADED, Argument.EPSILON.in(TABLE).repeated(BITS));
    asm.op(VSQRTPS, LOADED, LOADED);
    asm.op(VBROADCASTSS, FACTOR, asm.constant(1));
    asm.op(VDIVPS, FACTOR, FACTOR, LOADED);
  }
}
