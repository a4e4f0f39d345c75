package io.quern.conformance;

import io.quern.DType;
import io.quern.Shape;
import io.quern.op.Fill;
import io.quern.op.Iota;
import io.quern.op.Random;
import io.quern.op.TensorSpec;
import java.util.List;

/** Cases for ops without tensors to start from: {@link Fill}, {@link Iota}, {@link Random}. */
final class CreationCases {
  private CreationCases() {}

  static void addTo(List<OpCase> cases) {
    for (DType dtype : DType.values()) {
      for (double value : new double[] {0, 1, -1.75, 300, Double.NaN, 1e300, -0.0, 0.1}) {
        TensorSpec spec = new TensorSpec(dtype, Shape.of(3, 11));
        cases.add(OpCase.of(new Fill(spec, value), Tolerance.exact(), dtype + " with " + value));
      }
      if (dtype != DType.BOOL) {
        for (int count : new int[] {0, 1, 65, 100}) {
          cases.add(OpCase.of(new Iota(dtype, count), Tolerance.exact(), dtype + " to " + count));
        }
      }
    }
    for (int size : OpCases.SIZES) {
      TensorSpec spec = new TensorSpec(DType.F32, Shape.of(size));
      cases.add(OpCase.of(new Fill(spec, 0.1), Tolerance.exact(), "of " + spec));
      cases.add(OpCase.of(new Iota(DType.F32, size), Tolerance.exact(), "of " + size));
      random(spec, Values.of(42, 7), "", cases);
    }
    for (DType dtype : new DType[] {DType.F64, DType.F16, DType.BF16}) {
      random(new TensorSpec(dtype, Shape.of(3, 67)), Values.of(-1, 1L << 40), "", cases);
    }
    TensorSpec matrix = new TensorSpec(DType.F32, Shape.of(33, 31));
    for (DType dtype : new DType[] {DType.F16, DType.BF16}) {
      // Among so many words some would be rounded up to 1.
      random(new TensorSpec(dtype, Shape.of(5000)), Values.of(9, 9), "", cases);
    }
    // Block counters that carry into their high word on the way.
    random(matrix, Values.of(0x1_0000_0001L, (1L << 32) - 7), "across 2^32", cases);
    random(matrix, Values.of(5, -3), "across zero", cases);
  }

  private static void random(TensorSpec spec, Values key, String remark, List<OpCase> cases) {
    for (Random.Distribution distribution : Random.Distribution.values()) {
      Tolerance tolerance =
          switch (distribution) {
            case UNIFORM -> Tolerance.exact();
            // The radius is less than 6; the angle, its sine or cosine and the product each round.
            case NORMAL -> Tolerance.scaled(8, Tolerance.Magnitude.constant(6));
          };
      cases.add(
          OpCase.of(
              new Random(distribution, spec),
              tolerance,
              (spec + " " + remark).strip(),
              Input.of(DType.I64, Shape.of(2), key)));
    }
  }
}
