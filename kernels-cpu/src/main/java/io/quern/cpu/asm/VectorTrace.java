package io.quern.cpu.asm;

import static io.quern.cpu.asm.Assembler.Shift.VPSLLD;
import static io.quern.cpu.asm.Assembler.Shift.VPSRAD;
import static io.quern.cpu.asm.Assembler.Shift.VPSRLD;
import static io.quern.cpu.asm.VectorOp.VADDPS;
import static io.quern.cpu.asm.VectorOp.VCVTDQ2PS;
import static io.quern.cpu.asm.VectorOp.VDIVPS;
import static io.quern.cpu.asm.VectorOp.VMULPS;
import static io.quern.cpu.asm.VectorOp.VPADDD;
import static io.quern.cpu.asm.VectorOp.VPANDD;
import static io.quern.cpu.asm.VectorOp.VPORD;
import static io.quern.cpu.asm.VectorOp.VPSUBD;
import static io.quern.cpu.asm.VectorOp.VPXORD;
import static io.quern.cpu.asm.VectorOp.VRANGEPS;
import static io.quern.cpu.asm.VectorOp.VSQRTPS;
import static io.quern.cpu.asm.VectorOp.VSUBPS;

import io.quern.backend.Arithmetic;
import io.quern.runtime.MathConstants;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Records arithmetic as instructions on vectors, which {@link VectorCode} writes. A value is the
 * number of the node that makes it; what is computed twice is one node. Not thread-safe.
 */
public final class VectorTrace implements Arithmetic<Integer> {
  // Predicates of comparisons, false when either is NaN but for the last one.
  private static final int LESS = 17;
  private static final int GREATER = 30;
  private static final int EQUAL = 0;
  private static final int UNORDERED = 3;

  /** Which of two VRANGEPS gives, with its own sign. */
  private static final int SMALLER = 4;

  private static final int LARGER = 5;

  private final List<Node> nodes = new ArrayList<>();
  private final Map<Node, Integer> numbers = new HashMap<>();

  /** What makes a value. */
  sealed interface Node {
    /** The values that it is made of. */
    default List<Integer> operands() {
      return List.of();
    }
  }

  /** The vector of an input. */
  record Input(int input) implements Node {}

  /** One element of memory, for all elements. */
  record Uniform(int input) implements Node {}

  /** A float or an int for all elements. */
  record Literal(int bits) implements Node {}

  /** An instruction with one source. */
  record Unary(VectorOp op, int x) implements Node {
    @Override
    public List<Integer> operands() {
      return List.of(x);
    }
  }

  /** An instruction with two sources, of which the second one may be in memory. */
  record Binary(VectorOp op, int x, int y, int number) implements Node {
    static final int NO_NUMBER = -1;

    @Override
    public List<Integer> operands() {
      return List.of(x, y);
    }
  }

  /** {@code x * y + z}; y or z may be in memory. */
  record Fma(int x, int y, int z) implements Node {
    @Override
    public List<Integer> operands() {
      return List.of(x, y, z);
    }
  }

  /** A shift. */
  record Shifted(Assembler.Shift shift, int x, int by) implements Node {
    @Override
    public List<Integer> operands() {
      return List.of(x);
    }
  }

  /** A mask; y may be in memory. */
  record Compared(int x, int y, int predicate) implements Node {
    @Override
    public List<Integer> operands() {
      return List.of(x, y);
    }
  }

  /** {@code then} where a mask is set, which may be in memory. */
  record Selected(int mask, int then, int otherwise) implements Node {
    @Override
    public List<Integer> operands() {
      return List.of(mask, then, otherwise);
    }
  }

  /** {@code x + y} where a mask is set; y may be in memory. */
  record AddedWhere(int mask, int x, int y, int otherwise) implements Node {
    @Override
    public List<Integer> operands() {
      return List.of(mask, x, y, otherwise);
    }
  }

  /** All nodes, each behind those that it uses. */
  List<Node> nodes() {
    return nodes;
  }

  private int number(Node node) {
    return numbers.computeIfAbsent(
        node,
        added -> {
          nodes.add(added);
          return nodes.size() - 1;
        });
  }

  private boolean isInMemory(int value) {
    return nodes.get(value) instanceof Literal || nodes.get(value) instanceof Uniform;
  }

  private int binary(VectorOp op, int x, int y) {
    return number(new Binary(op, x, y, Binary.NO_NUMBER));
  }

  /** Of operands that may change places the second one is in memory. */
  private int commutative(VectorOp op, int x, int y, int number) {
    return isInMemory(x)
        ? number(new Binary(op, y, x, number))
        : number(new Binary(op, x, y, number));
  }

  private int commutative(VectorOp op, int x, int y) {
    return commutative(op, x, y, Binary.NO_NUMBER);
  }

  private int compared(int x, int y, int predicate, int swapped) {
    return isInMemory(x)
        ? number(new Compared(y, x, swapped))
        : number(new Compared(x, y, predicate));
  }

  /** The vector of an input. */
  public Integer input(int input) {
    return number(new Input(input));
  }

  /** The one element of an input. */
  public Integer uniform(int input) {
    return number(new Uniform(input));
  }

  @Override
  public Integer literal(float value) {
    return literal(Float.floatToRawIntBits(value));
  }

  @Override
  public Integer literal(int value) {
    return number(new Literal(value));
  }

  @Override
  public Integer add(Integer x, Integer y) {
    return commutative(VADDPS, x, y);
  }

  @Override
  public Integer sub(Integer x, Integer y) {
    return binary(VSUBPS, x, y);
  }

  @Override
  public Integer mul(Integer x, Integer y) {
    return commutative(VMULPS, x, y);
  }

  @Override
  public Integer div(Integer x, Integer y) {
    return binary(VDIVPS, x, y);
  }

  @Override
  public Integer fma(Integer x, Integer y, Integer z) {
    return isInMemory(x) ? number(new Fma(y, x, z)) : number(new Fma(x, y, z));
  }

  @Override
  public Integer neg(Integer x) {
    return commutative(VPXORD, x, literal(MathConstants.SIGN_BIT));
  }

  @Override
  public Integer abs(Integer x) {
    return commutative(VPANDD, x, literal(~MathConstants.SIGN_BIT));
  }

  @Override
  public Integer sqrt(Integer x) {
    return number(new Unary(VSQRTPS, x));
  }

  @Override
  public Integer min(Integer x, Integer y) {
    return range(x, y, SMALLER);
  }

  @Override
  public Integer max(Integer x, Integer y) {
    return range(x, y, LARGER);
  }

  /** The instruction gives the other operand for NaN, the sum gives NaN. */
  private int range(int x, int y, int which) {
    int one = commutative(VRANGEPS, x, y, which);
    int isNaN = compared(x, y, UNORDERED, UNORDERED);
    return isInMemory(x)
        ? number(new AddedWhere(isNaN, y, x, one))
        : number(new AddedWhere(isNaN, x, y, one));
  }

  @Override
  public Integer less(Integer x, Integer y) {
    return compared(x, y, LESS, GREATER);
  }

  @Override
  public Integer equal(Integer x, Integer y) {
    return compared(x, y, EQUAL, EQUAL);
  }

  @Override
  public Integer isNaN(Integer x) {
    return number(new Compared(x, x, UNORDERED));
  }

  @Override
  public Integer select(Integer condition, Integer then, Integer otherwise) {
    return number(new Selected(condition, then, otherwise));
  }

  @Override
  public Integer bits(Integer x) {
    return x;
  }

  @Override
  public Integer fromBits(Integer x) {
    return x;
  }

  @Override
  public Integer toFloat(Integer x) {
    return number(new Unary(VCVTDQ2PS, x));
  }

  @Override
  public Integer plus(Integer x, Integer y) {
    return commutative(VPADDD, x, y);
  }

  @Override
  public Integer minus(Integer x, Integer y) {
    return binary(VPSUBD, x, y);
  }

  @Override
  public Integer and(Integer x, Integer y) {
    return commutative(VPANDD, x, y);
  }

  @Override
  public Integer or(Integer x, Integer y) {
    return commutative(VPORD, x, y);
  }

  @Override
  public Integer shiftLeft(Integer x, int by) {
    return number(new Shifted(VPSLLD, x, by));
  }

  @Override
  public Integer shiftRight(Integer x, int by) {
    return number(new Shifted(VPSRAD, x, by));
  }

  @Override
  public Integer shiftRightUnsigned(Integer x, int by) {
    return number(new Shifted(VPSRLD, x, by));
  }
}
