package io.quern.cuda;

import io.quern.DType;
import io.quern.Shape;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.op.Layout;
import io.quern.op.Reduce;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Folds by {@code reduce.cu}. Where there are few results, each is folded in parts, and a second
 * launch folds the parts.
 */
final class ReduceKernels {
  private static final String FILE = "reduce";

  /** Threads of a block, and results side by side of one that folds columns. */
  private static final int THREADS = 256;

  private static final int COLUMNS = 32;

  /** Elements that are worth a block more. */
  private static final long PART = 1 << 14;

  /** Blocks that fill the largest devices. */
  private static final long BLOCKS = 1024;

  private final CudaContext context;
  private final Reduce reduce;
  private final Walk kept;
  private final Walk folded;

  private ReduceKernels(CudaContext context, Reduce reduce, Walk kept, Walk folded) {
    this.context = context;
    this.reduce = reduce;
    this.kept = kept;
    this.folded = folded;
  }

  static @Nullable Kernel create(CudaContext context, KernelKey key) {
    if (!key.all(DType.F32)) {
      return null;
    }
    Reduce reduce = (Reduce) key.op();
    Layout input = key.layout(0);
    List<Integer> axes = reduce.axes().stream().map(axis -> key.shape(0).axis(axis)).toList();
    Optional<Walk> kept = walk(input, axes, false);
    Optional<Walk> folded = walk(input, axes, true);
    return kept.isPresent() && folded.isPresent()
        ? new ReduceKernels(context, reduce, kept.get(), folded.get()).kernel()
        : null;
  }

  /** The walk over the dimensions that are, or are not, among {@code axes}. */
  private static Optional<Walk> walk(Layout input, List<Integer> axes, boolean among) {
    Layout part = input;
    for (int d = 0; d < input.rank(); d++) {
      part = axes.contains(d) == among ? part : part.slice(d, 0, 1, 1);
    }
    return Walk.over(List.of(part));
  }

  private Kernel kernel() {
    boolean columns =
        kept.innerStride(0) == 1 && kept.innerDim() >= COLUMNS && folded.innerStride(0) != 1;
    long blocks = columns ? (kept.count() + COLUMNS - 1) / COLUMNS : kept.count();
    long wanted =
        Math.min(
            BLOCKS / Math.max(1, blocks),
            folded.count() * kept.count() / PART / Math.max(1, blocks));
    long parts = Math.max(1, wanted);
    long partLength = Math.max(1, (folded.count() + parts - 1) / parts);
    parts = Math.max(1, (folded.count() + partLength - 1) / partLength);
    String name = columns ? "reduce_columns_f32" : "reduce_rows_f32";
    if (parts == 1) {
      return new LaunchKernel(context, name, fold(columns, 1, 0, kept, folded, 1, partLength));
    }
    // Parts of a result are neighbours after rows, and a row apart after columns.
    Layout partial =
        columns
            ? Layout.contiguous(Shape.of(parts, kept.count())).permute(1, 0)
            : Layout.contiguous(Shape.of(kept.count(), parts));
    Walk results = Walk.over(List.of(partial.slice(1, 0, 1, 1))).orElseThrow();
    Walk among = Walk.over(List.of(partial.slice(0, 0, 1, 1))).orElseThrow();
    return new LaunchKernel(
        context,
        name + "_parts",
        4 * parts * kept.count(),
        fold(columns, 2, 0, kept, folded, parts, partLength),
        fold(columns, 1, 2, results, among, 1, parts));
  }

  private Launch fold(
      boolean columns, int to, int from, Walk kept, Walk folded, long parts, long partLength) {
    Parameters parameters = new Parameters().operand(to).operand(from).number(number(reduce.fn()));
    if (!columns) {
      parameters.number(parts);
    }
    parameters.number(partLength).struct(kept.words()).struct(folded.words());
    long function =
        context.modules().function(FILE, columns ? "reduce_columns_f32" : "reduce_rows_f32");
    Grid grid =
        columns
            ? new Grid((int) ((kept.count() + COLUMNS - 1) / COLUMNS), (int) parts, 1, THREADS, 0)
            : Grid.of(kept.count() * parts, rowThreads(partLength));
    return new Launch(function, grid, parameters);
  }

  /** The constant of {@code reduce.cu}. */
  private static int number(Reduce.Fn fn) {
    return switch (fn) {
      case SUM -> 0;
      case PROD -> 1;
      case MAX -> 2;
      case MIN -> 3;
    };
  }

  /** A power of two that leaves each thread an element or a few. */
  private static int rowThreads(long length) {
    return Math.clamp(Long.highestOneBit(Math.max(1, length - 1)) * 2 / 4, 32, THREADS);
  }
}
