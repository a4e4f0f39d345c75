package io.quern.cuda;

import io.quern.DType;
import io.quern.Shape;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.op.ArgReduce;
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
  private final String family;
  private final int fn;
  private final Walk kept;
  private final Walk folded;
  private final boolean columns;
  private final long parts;
  private final long partLength;

  private ReduceKernels(CudaContext context, String family, int fn, Walk kept, Walk folded) {
    this.context = context;
    this.family = family;
    this.fn = fn;
    this.kept = kept;
    this.folded = folded;
    this.columns =
        kept.innerStride(0) == 1 && kept.innerDim() >= COLUMNS && folded.innerStride(0) != 1;
    long blocks = Math.max(1, columns ? Math.ceilDiv(kept.count(), COLUMNS) : kept.count());
    long wanted = Math.min(BLOCKS / blocks, folded.count() * kept.count() / PART / blocks);
    this.partLength = Math.max(1, Math.ceilDiv(folded.count(), Math.max(1, wanted)));
    this.parts = Math.max(1, Math.ceilDiv(folded.count(), partLength));
  }

  static @Nullable Kernel reduce(CudaContext context, KernelKey key) {
    Reduce reduce = (Reduce) key.op();
    return key.all(DType.F32)
        ? create(context, key, "reduce", number(reduce.fn()), reduce.axes())
            .map(ReduceKernels::reduce)
            .orElse(null)
        : null;
  }

  static @Nullable Kernel argReduce(CudaContext context, KernelKey key) {
    ArgReduce reduce = (ArgReduce) key.op();
    int least = reduce.fn() == ArgReduce.Fn.ARGMIN ? 1 : 0;
    return key.dtype(0) == DType.F32
        ? create(context, key, "arg", least, List.of(reduce.axis()))
            .map(ReduceKernels::argReduce)
            .orElse(null)
        : null;
  }

  private static Optional<ReduceKernels> create(
      CudaContext context, KernelKey key, String family, int fn, List<Integer> axes) {
    List<Integer> among = axes.stream().map(axis -> key.shape(0).axis(axis)).toList();
    Optional<Walk> kept = walk(key.layout(0), among, false);
    Optional<Walk> folded = walk(key.layout(0), among, true);
    return kept.isPresent() && folded.isPresent()
        ? Optional.of(new ReduceKernels(context, family, fn, kept.get(), folded.get()))
        : Optional.empty();
  }

  /** The walk over the dimensions that are, or are not, among {@code axes}. */
  private static Optional<Walk> walk(Layout input, List<Integer> axes, boolean among) {
    Layout part = input;
    for (int d = 0; d < input.rank(); d++) {
      part = axes.contains(d) == among ? part : part.slice(d, 0, 1, 1);
    }
    return Walk.over(List.of(part));
  }

  private Kernel reduce() {
    if (parts == 1) {
      return kernel(0, first(1));
    }
    // Parts of a result are neighbours after rows, and a row apart after columns.
    Layout partial =
        columns
            ? Layout.contiguous(Shape.of(parts, kept.count())).permute(1, 0)
            : Layout.contiguous(Shape.of(kept.count(), parts));
    Walk results = Walk.over(List.of(partial.slice(1, 0, 1, 1))).orElseThrow();
    Walk among = Walk.over(List.of(partial.slice(0, 0, 1, 1))).orElseThrow();
    return kernel(Float.BYTES, first(2), fold(1, 2, results, among, 1, parts));
  }

  private Kernel argReduce() {
    if (parts == 1) {
      return kernel(0, first(1));
    }
    Parameters parameters =
        new Parameters()
            .operand(1)
            .operand(2)
            .number(parts)
            .number(columns ? 1 : parts)
            .number(columns ? kept.count() : 1);
    long function = context.modules().function(FILE, "arg_parts");
    Grid grid = Grid.of(kept.count(), rowThreads(parts));
    return kernel(Long.BYTES, first(2), new Launch(function, grid, parameters));
  }

  private String name() {
    return family + (columns ? "_columns_f32" : "_rows_f32");
  }

  private Kernel kernel(long scratchBytes, Launch... launches) {
    String name = launches.length == 1 ? name() : name() + "_parts";
    return new LaunchKernel(context, name, scratchBytes * parts * kept.count(), launches);
  }

  /** Folds the input, each result in parts. */
  private Launch first(int to) {
    return fold(to, 0, kept, folded, parts, partLength);
  }

  private Launch fold(int to, int from, Walk kept, Walk folded, long parts, long partLength) {
    Parameters parameters = new Parameters().operand(to).operand(from).number(fn);
    if (!columns) {
      parameters.number(parts);
    }
    parameters.number(partLength).struct(kept.words()).struct(folded.words());
    Grid grid =
        columns
            ? new Grid((int) Math.ceilDiv(kept.count(), COLUMNS), (int) parts, 1, THREADS, 0)
            : Grid.of(kept.count() * parts, rowThreads(partLength));
    return new Launch(context.modules().function(FILE, name()), grid, parameters);
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
