package io.quern.gpu;

import io.quern.DType;
import io.quern.backend.Formulas;
import io.quern.op.ScalarProgram;
import java.util.List;

/**
 * A chain of elementwise functions of floats of 32 bits. Elements of inputs are widened when they
 * are loaded, and the result is rounded once, when it is stored.
 *
 * @param inputs how elements of the inputs are stored: F32, F16 or BF16
 * @param output how elements of the output are stored
 */
public record Chain(ScalarProgram program, List<DType> inputs, DType output) {
  /** A chain whose operands have elements of these types. */
  public Chain {
    inputs = List.copyOf(inputs);
  }

  /** Whether there are formulas for the functions, and elements are stored as chains can. */
  boolean isCovered() {
    return Formulas.cover(program)
        && isCovered(output)
        && inputs.stream().allMatch(Chain::isCovered);
  }

  private static boolean isCovered(DType dtype) {
    return dtype == DType.F32 || isNarrow(dtype);
  }

  /** Whether elements have 16 bits. */
  public static boolean isNarrow(DType dtype) {
    return dtype == DType.F16 || dtype == DType.BF16;
  }

  /** Whether any operand's elements have 16 bits. */
  public boolean hasNarrow() {
    return isNarrow(output) || inputs.stream().anyMatch(Chain::isNarrow);
  }

  /** Number of inputs. */
  public int count() {
    return inputs.size();
  }
}
