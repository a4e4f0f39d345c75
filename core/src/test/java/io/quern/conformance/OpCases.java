package io.quern.conformance;

import io.quern.op.Op;
import java.util.ArrayList;
import java.util.List;

/** All op cases. */
public final class OpCases {
  /** Sizes around vector widths, unrolled loops and tiles. */
  static final int[] SIZES = {0, 1, 3, 4, 7, 8, 15, 16, 17, 31, 33, 64, 65, 100, 127, 1000};

  /** A size that backends split among threads, into parts of different length. */
  static final int LARGE = 70_001;

  private static final List<OpCase> ALL = collect();

  private OpCases() {}

  /** Every case; names are unique. */
  public static List<OpCase> all() {
    return ALL;
  }

  /** The cases of one op. */
  public static List<OpCase> of(Class<? extends Op> op) {
    return ALL.stream().filter(opCase -> op.isInstance(opCase.op())).toList();
  }

  private static List<OpCase> collect() {
    List<OpCase> cases = new ArrayList<>();
    UnaryCases.addTo(cases);
    BinaryCases.addTo(cases);
    CreationCases.addTo(cases);
    ReduceCases.addTo(cases);
    MatMulCases.addTo(cases);
    IntegerMatMulCases.addTo(cases);
    QuantizedCases.addTo(cases);
    BlockMatMulCases.addTo(cases);
    ConvCases.addTo(cases);
    Conv3dCases.addTo(cases);
    PoolCases.addTo(cases);
    PooledConvCases.addTo(cases);
    IndexingCases.addTo(cases);
    OptimCases.addTo(cases);
    CompositeCases.addTo(cases);
    FusedCases.addTo(cases);
    FusedReduceCases.addTo(cases);
    EpilogueCases.addTo(cases);
    AttentionCases.addTo(cases);
    ScanCases.addTo(cases);
    ViewCases.addTo(cases);
    return List.copyOf(cases);
  }
}
