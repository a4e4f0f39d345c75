package io.quern.conformance;

import io.quern.DType;
import io.quern.Shape;
import io.quern.op.BlockMatMul;
import io.quern.op.MatMul;
import io.quern.op.Op;
import io.quern.op.OpBuilder;
import io.quern.op.TensorSpec;
import java.util.ArrayList;
import java.util.List;

/** Cases for {@link BlockMatMul}. */
final class BlockMatMulCases {
  /** Rows, inner dimension, columns, elements of a block. */
  private static final int[][] SIZES = {
    {1, 1, 1, 16},
    {1, 33, 5, 32},
    {2, 64, 7, 64},
    {3, 100, 3, 16},
    {4, 129, 9, 128},
    {5, 256, 2, 256},
    {8, 300, 4, 32},
    {9, 77, 17, 16},
    {21, 160, 33, 32},
    {1, 520, 70, 512},
    {1, 1024, 300, 32},
    {1, 4096, 65, 32},
    {17, 2000, 130, 64},
    {0, 40, 3, 32},
    {2, 0, 3, 32},
    {2, 40, 0, 32},
  };

  /**
   * Roundings besides those of the sum: a weight, or a partial sum times its scale; and products
   * that are rounded before they are added.
   */
  private static final int MORE_ROUNDINGS = 2;

  private BlockMatMulCases() {}

  static void addTo(List<OpCase> cases) {
    for (int bits : new int[] {4, 8}) {
      for (boolean hasZeros : new boolean[] {false, true}) {
        for (int[] size : SIZES) {
          Shape a = Shape.of(size[0], size[1]);
          OpCase opCase = of(DType.F32, bits, size[3], a, size[2], hasZeros, Input.Form.PLAIN);
          cases.add(size[0] * size[1] < 500 ? opCase.differentiable() : opCase);
        }
        Shape batches = Shape.of(2, 3, 50);
        for (DType dtype : List.of(DType.F32, DType.F64, DType.F16, DType.BF16)) {
          cases.add(of(dtype, bits, 32, batches, 6, hasZeros, Input.Form.PLAIN));
        }
        for (Input.Form form : Input.Form.values()) {
          if (form != Input.Form.PLAIN) {
            cases.add(of(DType.F32, bits, 16, Shape.of(3, 40), 5, hasZeros, form));
          }
        }
      }
    }
  }

  private static OpCase of(
      DType dtype, int bits, int block, Shape a, long n, boolean hasZeros, Input.Form form) {
    long k = a.dim(-1);
    long blocks = (k + block - 1) / block;
    List<Input> inputs = new ArrayList<>();
    inputs.add(Input.of(dtype, a, Values.signed(), form));
    inputs.add(bytes(Shape.of(n, blocks, (long) block * bits / 8), form));
    inputs.add(Input.of(dtype, Shape.of(n, blocks), Values.signed(), form));
    if (hasZeros) {
      inputs.add(bytes(Shape.of(n, (blocks * bits + 7) / 8), form));
    }
    return OpCase.of(
        new BlockMatMul(bits, block),
        Tolerance.chain(dtype.bytes() < 4 ? 2 : 0, k + MORE_ROUNDINGS, BlockMatMulCases::sizes),
        bits + " bits, blocks of " + block + ", " + form,
        inputs.toArray(Input[]::new));
  }

  private static Input bytes(Shape shape, Input.Form form) {
    return Input.of(DType.U8, shape, Values.integers(0, 256), form);
  }

  private static List<HostArray> sizes(Op op, List<HostArray> inputs) {
    return List.of(((BlockMatMul) op).decompose(new Sizes(), inputs));
  }

  /** The decomposition, with absolute values of what is multiplied. */
  private record Sizes() implements OpBuilder<HostArray> {
    @Override
    public HostArray apply(Op op, List<HostArray> inputs) {
      List<HostArray> used =
          op instanceof MatMul ? inputs.stream().map(HostArray::absolute).toList() : inputs;
      return Oracle.run(op, used).getFirst();
    }

    @Override
    public TensorSpec spec(HostArray value) {
      return value.spec();
    }
  }
}
