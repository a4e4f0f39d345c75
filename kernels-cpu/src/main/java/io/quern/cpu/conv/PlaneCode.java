package io.quern.cpu.conv;

import static io.quern.cpu.asm.Reg.R8;
import static io.quern.cpu.asm.Reg.RAX;
import static io.quern.cpu.asm.Reg.RCX;
import static io.quern.cpu.asm.Reg.RDI;
import static io.quern.cpu.asm.Reg.RDX;
import static io.quern.cpu.asm.Reg.RSI;

import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.Assembler;
import io.quern.cpu.asm.Assembler.Condition;
import io.quern.cpu.asm.Label;
import io.quern.cpu.asm.MachineFunction;
import io.quern.cpu.asm.Mask;
import io.quern.cpu.asm.Mem;
import io.quern.cpu.asm.Reg;
import io.quern.cpu.asm.Vec;
import io.quern.cpu.asm.VectorOp;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.IntFunction;
import java.util.function.IntUnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * Writes machine code that goes over the rows of results of a {@link DepthwisePlane}, vector by
 * vector: a function of the addresses of the plane, of two more operands, and of a dense matrix
 * with as many rows and columns. Not thread-safe.
 */
abstract class PlaneCode {
  static final int BITS = 512;
  static final int BYTES = BITS / 8;
  private static final int LANES = BITS / 32;
  private static final int REGISTERS = 32;

  /** Vectors of a row that are written one after the other, without a loop. */
  private static final int UNROLLED = 4;

  private static final Reg PLANE = RDI;
  static final Reg SECOND = RSI;
  static final Reg THIRD = RDX;
  private static final Reg DENSE = RCX;
  private static final Reg AT = RAX;
  private static final Reg ROWS = R8;
  private static final Mask REST = new Mask(1);

  final Assembler asm = new Assembler();
  private final DepthwisePlane plane;

  PlaneCode(DepthwisePlane plane) {
    this.plane = plane;
  }

  /**
   * Code for one dense matrix, and for two at a time if there are registers for that.
   *
   * @param denseBytes bytes from a dense matrix to the next
   */
  record Pair(MachineFunction one, @Nullable MachineFunction two, long denseBytes) {
    /**
     * Goes over a plane for {@code count} dense matrices.
     *
     * @param secondBytes bytes from the second operand of a matrix to that of the next
     */
    void run(
        long plane,
        long second,
        long secondBytes,
        long third,
        long thirdBytes,
        long dense,
        int count) {
      int done = 0;
      while (done < count) {
        boolean both = two != null && done + 2 <= count;
        call(
            both ? two : one,
            plane,
            second + done * secondBytes,
            third + done * thirdBytes,
            dense + done * denseBytes);
        done += both ? 2 : 1;
      }
    }

    private static void call(
        MachineFunction code, long plane, long second, long third, long dense) {
      code.call(plane, second, third, dense);
    }
  }

  /** All that code depends on, which stays for good once it is placed. */
  private record Key(
      String name, List<Integer> offsets, int rows, int columns, int pitch, long denseBytes) {}

  private static final Map<Key, Pair> PLACED = new ConcurrentHashMap<>();

  /**
   * The code of a shape, which is placed once, or null where there is none.
   *
   * @param offsets where each tap finds its elements, in bytes
   * @param write gives the code for so many matrices at a time
   * @param registers how many vector registers that takes
   */
  static @Nullable Pair place(
      String name,
      DepthwisePlane plane,
      int[] offsets,
      long denseBytes,
      IntFunction<Assembler> write,
      IntUnaryOperator registers) {
    if (!MachineTier.has512Bits()
        || registers.applyAsInt(1) > REGISTERS
        || denseBytes >= Integer.MAX_VALUE / 4
        || plane.columns() == 0) {
      return null;
    }
    List<Integer> taps = Arrays.stream(offsets).boxed().toList();
    return PLACED.computeIfAbsent(
        new Key(name, taps, plane.rows(), plane.columns(), plane.pitch(), denseBytes),
        key -> {
          boolean fits = registers.applyAsInt(2) <= REGISTERS;
          return new Pair(
              MachineTier.place("one of " + key, write.apply(1)),
              fits ? MachineTier.place("two of " + key, write.apply(2)) : null,
              denseBytes);
        });
  }

  /** Writes what is done with a vector. */
  @FunctionalInterface
  interface Body {
    /**
     * Writes the instructions.
     *
     * @param offset bytes from the place of the loop
     * @param mask the elements that there are
     */
    void write(int offset, Mask mask);
  }

  static Vec vec(int number) {
    return Vec.of(number, BITS);
  }

  /** A vector of the plane. */
  static Mem inPlane(int offset) {
    return Mem.at(PLANE, AT, 1).plus(offset);
  }

  /** A vector of the dense matrix. */
  static Mem inDense(int offset) {
    return Mem.at(DENSE, AT, 1).plus(offset);
  }

  void clear(Vec vec) {
    Vec low = vec.bits(128); // clears the whole register
    asm.op(VectorOp.VXORPS, low, low, low);
  }

  private void set(Reg register, int value) {
    asm.sub(register, register);
    asm.add(register, value);
  }

  void rows(Body body) {
    set(AT, (1 << plane.columns() % LANES) - 1);
    asm.kmov(REST, AT);
    set(ROWS, plane.rows());
    asm.align(32);
    Label next = asm.here();
    row(body);
    asm.add(PLANE, 4 * plane.pitch());
    asm.add(DENSE, 4 * plane.columns());
    asm.sub(ROWS, 1);
    asm.jump(Condition.NE, next);
  }

  private void row(Body body) {
    int whole = plane.columns() / LANES;
    int looped = whole > UNROLLED ? whole / UNROLLED * UNROLLED : 0;
    set(AT, 0);
    if (looped > 0) {
      Label next = asm.here();
      for (int i = 0; i < UNROLLED; i++) {
        body.write(i * BYTES, Mask.ALL);
      }
      asm.add(AT, UNROLLED * BYTES);
      asm.cmp(AT, looped * BYTES);
      asm.jump(Condition.B, next);
    }
    for (int i = 0; i < whole - looped; i++) {
      body.write(i * BYTES, Mask.ALL);
    }
    if (plane.columns() % LANES > 0) {
      body.write((whole - looped) * BYTES, REST);
    }
  }

  Assembler end() {
    asm.vzeroupper();
    asm.ret();
    return asm;
  }
}
