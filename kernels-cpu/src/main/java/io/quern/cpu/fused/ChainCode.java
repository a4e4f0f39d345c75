package io.quern.cpu.fused;

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
import static io.quern.cpu.asm.VectorOp.VMOVNTPS;
import static io.quern.cpu.asm.VectorOp.VMOVUPS;

import io.quern.backend.Formulas;
import io.quern.cpu.asm.Assembler;
import io.quern.cpu.asm.Assembler.Condition;
import io.quern.cpu.asm.Label;
import io.quern.cpu.asm.Mask;
import io.quern.cpu.asm.Mem;
import io.quern.cpu.asm.Reg;
import io.quern.cpu.asm.Vec;
import io.quern.cpu.asm.VectorCode;
import io.quern.cpu.asm.VectorOp;
import io.quern.cpu.asm.VectorTrace;
import io.quern.op.ScalarProgram;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BiConsumer;

/**
 * Machine code of the loops of a chain, functions of a table of addresses, the bytes of whole
 * blocks of vectors, the bytes of whole vectors, a bit for each element of the rest, and a number
 * of rows. Behind the addresses are the bytes from row to row, if there are several.
 */
final class ChainCode {
  static final int BITS = 512;
  static final int BYTES = BITS / 8;

  /** Vectors that are computed at a time, where registers suffice. */
  static final int COPIES = 2;

  /** Vectors of sums. */
  static final int SUMS = 4;

  /**
   * How far ahead memory is asked for, since processors do not look into the next page; of several
   * rows it is the next one.
   */
  private static final int AHEAD = 2048;

  private static final Reg TABLE = RDI;
  private static final Reg BLOCKS_END = RSI;
  private static final Reg END = RDX;
  private static final Reg REST = RCX;
  private static final Reg AT = RAX;
  private static final Reg ROWS = R15;
  private static final Reg AHEAD_AT = R14;
  private static final List<Reg> ADDRESSES = List.of(R8, R9, R10, R11, RBX, RBP, R12, R13);
  private static final List<Reg> SAVED = List.of(RBX, RBP, R12, R13, R14, R15);

  private final Assembler asm = new Assembler();
  private final VectorCode code;
  private final int copies;
  private final int inputs;
  private final Reg output;

  /** Whether there are registers for the addresses of so many inputs and an output. */
  static boolean coversInputs(int inputs) {
    return inputs < ADDRESSES.size();
  }

  /**
   * Code of a chain in which some inputs have one element only.
   *
   * @param copies how many vectors are computed at a time
   * @param firstVector the first vector register that the chain may use
   */
  private ChainCode(ScalarProgram program, boolean[] uniform, int copies, int firstVector) {
    VectorTrace trace = new VectorTrace();
    List<Integer> operands = new ArrayList<>();
    for (int i = 0; i < program.inputs(); i++) {
      operands.add(uniform[i] ? trace.uniform(i) : trace.input(i));
    }
    int result = new Formulas<>(trace).run(program, operands);
    this.code =
        new VectorCode(asm, trace, result, i -> Mem.at(ADDRESSES.get(i)), copies, firstVector);
    this.copies = copies;
    this.inputs = program.inputs();
    this.output = ADDRESSES.get(inputs);
    SAVED.forEach(asm::push);
    asm.mov(ROWS, R8);
    for (int i = 0; i <= inputs; i++) {
      asm.mov(ADDRESSES.get(i), Mem.at(TABLE, 8 * i));
    }
    pushDistance();
  }

  /**
   * The loop that stores results, past the caches if {@code streams}.
   *
   * @param copies vectors of a block
   */
  static Assembler storing(ScalarProgram program, boolean[] uniform, int copies, boolean streams) {
    return new ChainCode(program, uniform, copies, 0).store(streams);
  }

  /**
   * The loop that adds results to a first set of {@value #SUMS} vectors of sums, which are a block,
   * and those beyond whole blocks to a second set behind it. The sets are where results would go.
   */
  static Assembler summing(ScalarProgram program, boolean[] uniform, int copies) {
    return new ChainCode(program, uniform, copies, SUMS).sum();
  }

  private Assembler store(boolean streams) {
    VectorOp store = streams ? VMOVNTPS : VMOVUPS;
    Label row = asm.here();
    beginRow();
    loop(BLOCKS_END, copies, () -> storeVectors(copies, store));
    loop(END, 1, () -> storeVectors(1, store));
    rest((part, mask) -> asm.op(VMOVUPS, at(output, 0), part.masked(mask)));
    Label done = asm.label();
    asm.sub(ROWS, 1);
    asm.jump(Condition.E, done);
    for (int i = 0; i <= inputs; i++) {
      asm.add(ADDRESSES.get(i), step(i));
    }
    asm.jmp(row);
    asm.bind(done);
    if (streams) {
      asm.sfence();
    }
    return end();
  }

  /** Keeps on the stack how far ahead of each vector memory is asked for. */
  private void pushDistance() {
    Label known = asm.label();
    asm.sub(AHEAD_AT, AHEAD_AT);
    asm.add(AHEAD_AT, AHEAD);
    asm.cmp(ROWS, 1);
    asm.jump(Condition.E, known);
    asm.mov(AHEAD_AT, step(inputs));
    asm.bind(known);
    asm.push(AHEAD_AT);
  }

  /** Bytes from row to row of an input, or of the output behind them. */
  private Mem step(int operand) {
    return Mem.at(TABLE, 8 * (inputs + 1 + operand));
  }

  private void storeVectors(int count, VectorOp store) {
    List<Vec> results = vectors(0, count);
    for (int i = 0; i < count; i++) {
      asm.op(store, at(output, i), results.get(i));
    }
  }

  /** Each row may have other uniform inputs. */
  private void beginRow() {
    code.prepare();
    asm.sub(AT, AT);
  }

  private Assembler sum() {
    beginRow();
    for (int i = 0; i < SUMS; i++) {
      asm.op(VMOVUPS, sum(i), Mem.at(output).plus(i * BYTES));
    }
    loop(BLOCKS_END, SUMS, this::addBlock);
    for (int i = 0; i < SUMS; i++) {
      asm.op(VMOVUPS, Mem.at(output).plus(i * BYTES), sum(i));
    }
    asm.add(output, SUMS * BYTES);
    loop(
        END,
        1,
        () -> {
          asm.op(VADDPS, sum(0), vectors(0, 1).getFirst(), Mem.at(output));
          asm.op(VMOVUPS, Mem.at(output), sum(0));
          asm.add(output, BYTES);
        });
    rest(
        (part, mask) -> {
          asm.op(VADDPS, sum(0), part, Mem.at(output));
          asm.op(VMOVUPS, Mem.at(output), sum(0).masked(mask));
        });
    return end();
  }

  private void addBlock() {
    for (int first = 0; first < SUMS; first += copies) {
      List<Vec> results = vectors(first, copies);
      for (int i = 0; i < copies; i++) {
        asm.op(VADDPS, sum(first + i), sum(first + i), results.get(i));
      }
    }
  }

  private static Vec sum(int number) {
    return Vec.of(number, BITS);
  }

  /** Some vectors at a time up to an end, of which there are as many or none. */
  private void loop(Reg end, int vectors, Runnable body) {
    asm.loop(AT, end, vectors * BYTES, body);
  }

  /** The results of {@code count} vectors, the first of which is some vectors from here. */
  private List<Vec> vectors(int first, int count) {
    asm.mov(AHEAD_AT, Mem.at(Reg.RSP));
    asm.add(AHEAD_AT, AT);
    return code.write(
        count,
        (copy, i, to) -> {
          asm.op(VMOVUPS, to, at(ADDRESSES.get(i), first + copy));
          asm.prefetch(Mem.at(ADDRESSES.get(i), AHEAD_AT, 1).plus((first + copy) * BYTES));
        });
  }

  /** What is done with a vector that has elements only where a mask says so, if there are any. */
  private void rest(BiConsumer<Vec, Mask> body) {
    Label done = asm.label();
    asm.test(REST, REST);
    asm.jump(Condition.E, done);
    Mask mask = VectorCode.spareMask();
    asm.kmov(mask, REST);
    body.accept(
        code.write(1, (copy, i, to) -> asm.op(VMOVUPS, to.zeroed(mask), at(ADDRESSES.get(i), 0)))
            .getFirst(),
        mask);
    asm.bind(done);
  }

  private Assembler end() {
    asm.vzeroupper();
    asm.pop(AHEAD_AT);
    SAVED.reversed().forEach(asm::pop);
    asm.ret();
    return asm;
  }

  private static Mem at(Reg address, int vector) {
    return Mem.at(address, AT, 1).plus(vector * BYTES);
  }
}
