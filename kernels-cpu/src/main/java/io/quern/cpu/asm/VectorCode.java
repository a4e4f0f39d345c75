package io.quern.cpu.asm;

import static io.quern.cpu.asm.VectorOp.VADDPS;
import static io.quern.cpu.asm.VectorOp.VBLENDMPS;
import static io.quern.cpu.asm.VectorOp.VBROADCASTSS;
import static io.quern.cpu.asm.VectorOp.VFMADD132PS;
import static io.quern.cpu.asm.VectorOp.VFMADD213PS;
import static io.quern.cpu.asm.VectorOp.VFMADD231PS;
import static io.quern.cpu.asm.VectorOp.VMOVUPS;
import static io.quern.cpu.asm.VectorOp.VSHUFF32X4;
import static io.quern.cpu.asm.VectorOp.VSHUFPS;

import io.quern.cpu.asm.VectorTrace.AddedWhere;
import io.quern.cpu.asm.VectorTrace.Binary;
import io.quern.cpu.asm.VectorTrace.Compared;
import io.quern.cpu.asm.VectorTrace.Fma;
import io.quern.cpu.asm.VectorTrace.Input;
import io.quern.cpu.asm.VectorTrace.Literal;
import io.quern.cpu.asm.VectorTrace.Node;
import io.quern.cpu.asm.VectorTrace.Selected;
import io.quern.cpu.asm.VectorTrace.Shifted;
import io.quern.cpu.asm.VectorTrace.Unary;
import io.quern.cpu.asm.VectorTrace.Uniform;
import java.util.BitSet;
import java.util.HashSet;
import java.util.List;
import java.util.function.IntFunction;
import java.util.stream.IntStream;

/**
 * Writes the instructions of a {@link VectorTrace} for vectors of 512 bits. Values stay in
 * registers from the instruction that makes them to the last one that uses them; literals and
 * uniform inputs are operands in memory, but where an instruction wants a register: those are
 * loaded once, by {@link #prepare}. Not thread-safe.
 */
public final class VectorCode {
  private static final int BITS = 512;
  private static final int REGISTERS = 32;
  private static final int MASKS = 8;

  /** Nothing is used by the first node. */
  private static final int UNUSED = 0;

  /** More values are needed at a time than there are registers. */
  @SuppressWarnings("serial")
  public static final class TooManyValuesException extends RuntimeException {}

  private final Assembler asm;
  private final List<Node> nodes;
  private final int result;
  private final IntFunction<Mem> uniforms;
  private final int[] lastUse;

  /** Values that are loaded once and stay. */
  private final BitSet kept = new BitSet();

  /** The vector or mask register of a value, of each vector that is computed at a time. */
  private final int[][] registers;

  /** Which of them instructions are being written for. */
  private int copy;

  private final BitSet freeVectors = new BitSet();
  private final BitSet freeMasks = new BitSet();

  /**
   * The code of a trace that ends in a result. It uses all masks but for the last one.
   *
   * @param uniforms where the one element of an input is
   * @param copies how many vectors are computed at a time, instruction by instruction, so that the
   *     processor need not look far ahead for work
   * @param first number of the first vector register that it may use
   */
  public VectorCode(
      Assembler asm,
      VectorTrace trace,
      int result,
      IntFunction<Mem> uniforms,
      int copies,
      int first) {
    this.asm = asm;
    this.nodes = trace.nodes();
    this.result = result;
    this.uniforms = uniforms;
    this.lastUse = new int[nodes.size()];
    this.registers = new int[copies][nodes.size()];
    for (int i = 0; i < nodes.size(); i++) {
      for (int operand : nodes.get(i).operands()) {
        lastUse[operand] = i;
      }
      keepOperands(nodes.get(i));
    }
    lastUse[result] = nodes.size();
    keepIfInMemory(result);
    keepMore(copies, REGISTERS - first);
    freeVectors.set(first, REGISTERS);
    freeMasks.set(1, MASKS - 1);
  }

  /**
   * Folds the lanes of vectors 0 to 3, which are 64, by halves; every lane of vector 0 has the
   * result. Vector 1 is used.
   */
  public static void foldLanes(Assembler asm, VectorOp op) {
    Vec sum = Vec.of(0, BITS);
    Vec other = Vec.of(1, BITS);
    asm.op(op, sum, sum, Vec.of(2, BITS));
    asm.op(op, other, other, Vec.of(3, BITS));
    asm.op(op, sum, sum, other);
    for (int swap : new int[] {0x4E, 0xB1}) {
      asm.op(VSHUFF32X4, other, sum, sum, swap);
      asm.op(op, sum, sum, other);
    }
    for (int swap : new int[] {0x4E, 0xB1}) {
      asm.op(VSHUFPS, other, sum, sum, swap);
      asm.op(op, sum, sum, other);
    }
  }

  /** Makes the first element of vector 0 a function's result, by way of memory that no one uses. */
  public static void giveFirstElement(Assembler asm) {
    Mem below = Mem.at(Reg.RSP, -16);
    asm.op(VMOVUPS, below, Vec.of(0, 128));
    asm.mov32(Reg.RAX, below);
  }

  /** The mask that is left to others. */
  public static Mask spareMask() {
    return new Mask(MASKS - 1);
  }

  /** Keeps what else is in memory as far as the registers go that are never used. */
  private void keepMore(int copies, int registers) {
    int live = 0;
    int most = 0;
    for (int i = 0; i < nodes.size(); i++) {
      if (!isInMemory(i) && lastUse[i] != UNUSED) {
        most = Math.max(most, ++live);
        for (int operand : new HashSet<>(nodes.get(i).operands())) {
          live -= dies(operand, i) ? 1 : 0;
        }
      }
    }
    for (int i = 0; i < nodes.size() && kept.cardinality() < registers - copies * most; i++) {
      keepIfInMemory(i);
    }
  }

  private boolean isInMemory(int value) {
    return nodes.get(value) instanceof Literal || nodes.get(value) instanceof Uniform;
  }

  private void keepIfInMemory(int value) {
    if (isInMemory(value)) {
      kept.set(value);
    }
  }

  /** Notes the operands that must be in registers. */
  private void keepOperands(Node node) {
    switch (node) {
      case Input _, Uniform _, Literal _ -> {}
      case Unary(VectorOp _, int x) -> keepIfInMemory(x);
      case Shifted(Assembler.Shift _, int x, int _) -> keepIfInMemory(x);
      case Binary(VectorOp _, int x, int _, int _) -> keepIfInMemory(x);
      case Compared(int x, int _, int _) -> keepIfInMemory(x);
      case AddedWhere(int _, int x, int _, int otherwise) -> {
        keepIfInMemory(x);
        keepIfInMemory(otherwise);
      }
      case Selected(int _, int _, int otherwise) -> keepIfInMemory(otherwise);
      case Fma(int x, int y, int z) -> {
        keepIfInMemory(x);
        if (isInMemory(z)) {
          keepIfInMemory(y);
        }
      }
    }
  }

  /**
   * Loads what stays in registers.
   *
   * @throws TooManyValuesException if registers do not suffice
   */
  public void prepare() {
    kept.stream()
        .forEach(
            value -> {
              int register = take(freeVectors);
              for (int[] each : registers) {
                each[value] = register;
              }
              asm.op(VBROADCASTSS, vector(value), memory(value));
            });
  }

  /** Writes how an input is loaded. */
  @FunctionalInterface
  public interface Load {
    /**
     * Writes the instructions.
     *
     * @param copy which of the vectors that are computed at a time
     */
    void write(int copy, int input, Vec to);
  }

  /**
   * Computes some vectors, no more than at a time.
   *
   * @return the registers of the results, which are free for what follows
   * @throws TooManyValuesException if registers do not suffice
   */
  public List<Vec> write(int count, Load load) {
    BitSet before = (BitSet) freeVectors.clone();
    for (int i = 0; i < nodes.size(); i++) {
      for (copy = 0; copy < count && lastUse[i] != UNUSED && !isInMemory(i); copy++) {
        writeNode(i, load);
      }
    }
    freeVectors.or(before);
    return IntStream.range(0, count).mapToObj(i -> Vec.of(registers[i][result], BITS)).toList();
  }

  private void writeNode(int i, Load load) {
    Node node = nodes.get(i);
    switch (node) {
      case Uniform _, Literal _ -> {}
      case Input(int input) -> load.write(copy, input, target(i));
      case Unary(VectorOp op, int x) -> asm.op(op, target(i), vector(x));
      case Shifted(Assembler.Shift shift, int x, int by) ->
          asm.shift(shift, target(i), vector(x), by);
      case Binary(VectorOp op, int x, int y, int number) when number == Binary.NO_NUMBER ->
          asm.op(op, target(i), vector(x), operand(y));
      case Binary(VectorOp op, int x, int y, int number) ->
          asm.op(op, target(i), vector(x), operand(y), number);
      case Compared(int x, int y, int predicate) -> {
        registers[copy][i] = take(freeMasks);
        asm.compare(mask(i), vector(x), operand(y), predicate);
        releaseOperands(i);
      }
      case Selected(int mask, int then, int otherwise) ->
          asm.op(VBLENDMPS, target(i).masked(mask(mask)), vector(otherwise), operand(then));
      case AddedWhere(int mask, int x, int y, int otherwise) -> {
        asm.op(VADDPS, overwritten(i, otherwise).masked(mask(mask)), vector(x), operand(y));
        releaseOperandsButOwn(i);
      }
      case Fma(int x, int y, int z) -> fma(i, x, y, z);
    }
  }

  private void fma(int i, int x, int y, int z) {
    if (dies(z, i)) {
      asm.op(VFMADD231PS, overwritten(i, z), vector(x), operand(y));
    } else if (isOperandInMemory(y)) {
      asm.op(VFMADD132PS, overwritten(i, x), vector(z), operand(y));
    } else if (dies(y, i)) {
      asm.op(VFMADD213PS, overwritten(i, y), vector(x), operand(z));
    } else {
      asm.op(VFMADD213PS, overwritten(i, x), vector(y), operand(z));
    }
    releaseOperandsButOwn(i);
  }

  /** Whether a value's register may be overwritten by node {@code i}. */
  private boolean dies(int value, int i) {
    return lastUse[value] == i && !isInMemory(value);
  }

  private boolean isOperandInMemory(int value) {
    return isInMemory(value) && !kept.get(value);
  }

  /** A register for node {@code i} that holds a value, its own if nothing else needs it. */
  private Vec overwritten(int i, int value) {
    if (dies(value, i)) {
      registers[copy][i] = registers[copy][value];
      return vector(i);
    }
    registers[copy][i] = take(freeVectors);
    asm.op(VMOVUPS, vector(i), vector(value));
    return vector(i);
  }

  /** A register for node {@code i}, which may be that of an operand. */
  private Vec target(int i) {
    releaseOperands(i);
    registers[copy][i] = take(freeVectors);
    return vector(i);
  }

  private void releaseOperands(int i) {
    for (int operand : nodes.get(i).operands()) {
      if (dies(operand, i)) {
        (nodes.get(operand) instanceof Compared ? freeMasks : freeVectors)
            .set(registers[copy][operand]);
      }
    }
  }

  private void releaseOperandsButOwn(int i) {
    releaseOperands(i);
    freeVectors.clear(registers[copy][i]);
  }

  private static int take(BitSet free) {
    int register = free.nextSetBit(0);
    if (register < 0) {
      throw new TooManyValuesException();
    }
    free.clear(register);
    return register;
  }

  private Vec vector(int value) {
    return Vec.of(registers[copy][value], BITS);
  }

  private Mask mask(int value) {
    return new Mask(registers[copy][value]);
  }

  private Operand operand(int value) {
    return isOperandInMemory(value) ? memory(value).repeated(BITS) : vector(value);
  }

  private Mem memory(int value) {
    return switch (nodes.get(value)) {
      case Literal(int bits) -> asm.constantBits(bits);
      case Uniform(int input) -> uniforms.apply(input);
      default -> throw new IllegalArgumentException(nodes.get(value) + " is not in memory");
    };
  }
}
