package io.quern.backend;

import io.quern.DType;
import io.quern.Shape;
import io.quern.op.Layout;
import io.quern.op.Op;
import io.quern.op.TensorSpec;
import java.util.Arrays;
import java.util.List;

/**
 * What a kernel is made for: an op, and dtype and layout of its operands, inputs before outputs.
 * Offsets do not count: they are given with each call.
 */
public final class KernelKey {
  private final Op op;
  private final DType[] dtypes;
  private final Layout[] layouts;
  private final int inputs;
  private final int hash;

  public KernelKey(Op op, DType[] dtypes, Layout[] layouts, int inputs) {
    this.op = op;
    this.dtypes = dtypes;
    this.layouts = layouts;
    this.inputs = inputs;
    int h = 31 * op.hashCode() + Arrays.hashCode(dtypes);
    for (Layout layout : layouts) {
      h = 31 * h + layout.geometryHash();
    }
    this.hash = h;
  }

  /** For inputs of any layout, and outputs in row-major order without gaps. */
  public static KernelKey of(Op op, DType[] inputs, Layout[] layouts, List<TensorSpec> outputs) {
    DType[] dtypes = Arrays.copyOf(inputs, inputs.length + outputs.size());
    Layout[] all = Arrays.copyOf(layouts, dtypes.length);
    for (int i = 0; i < outputs.size(); i++) {
      dtypes[inputs.length + i] = outputs.get(i).dtype();
      all[inputs.length + i] = Layout.contiguous(outputs.get(i).shape());
    }
    return new KernelKey(op, dtypes, all, inputs.length);
  }

  public Op op() {
    return op;
  }

  /** Number of inputs; the operands from this index on are outputs. */
  public int inputs() {
    return inputs;
  }

  /** Number of inputs and outputs. */
  public int operands() {
    return layouts.length;
  }

  public DType dtype(int operand) {
    return dtypes[operand];
  }

  public Layout layout(int operand) {
    return layouts[operand];
  }

  public Shape shape(int operand) {
    return layouts[operand].shape();
  }

  /** Layout of the first output. */
  public Layout output() {
    return layouts[inputs];
  }

  /** Whether all operands have this dtype. */
  public boolean all(DType dtype) {
    for (DType each : dtypes) {
      if (each != dtype) {
        return false;
      }
    }
    return true;
  }

  /** Whether every operand lies in row-major order without gaps. */
  public boolean isContiguous() {
    for (Layout layout : layouts) {
      if (!layout.isContiguous()) {
        return false;
      }
    }
    return true;
  }

  @Override
  public boolean equals(Object other) {
    if (!(other instanceof KernelKey key)
        || hash != key.hash
        || inputs != key.inputs
        || layouts.length != key.layouts.length
        || !op.equals(key.op)
        || !Arrays.equals(dtypes, key.dtypes)) {
      return false;
    }
    for (int i = 0; i < layouts.length; i++) {
      if (!layouts[i].sameGeometry(key.layouts[i])) {
        return false;
      }
    }
    return true;
  }

  @Override
  public int hashCode() {
    return hash;
  }

  @Override
  public String toString() {
    StringBuilder text = new StringBuilder(op.name()).append('(');
    for (int i = 0; i < layouts.length; i++) {
      text.append(i == inputs ? ") -> " : i > 0 ? ", " : "").append(dtypes[i]);
      text.append(layouts[i].shape());
    }
    return inputs == layouts.length ? text.append(')').toString() : text.toString();
  }
}
