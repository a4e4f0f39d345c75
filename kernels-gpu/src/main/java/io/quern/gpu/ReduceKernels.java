package io.quern.gpu;

import io.quern.DType;
import io.quern.Shape;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.op.ArgReduce;
import io.quern.op.Layout;
import io.quern.op.Reduce;
import java.util.List;
import java.util.Locale;
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

  /** Results of a block whose threads have four neighbouring columns each. */
  private static final int WIDE_COLUMNS = 128;

  /** Elements that a thread that folds rows takes at a time. */
  private static final int RUN = 4;

  /** Elements that are worth a block more. */
  private static final long PART = 1 << 14;

  /** Blocks that fill the largest devices. */
  private static final long BLOCKS = 1024;

  /** Such blocks that run at once on the largest devices, and the most parts of theirs. */
  private static final long WIDE_BLOCKS = 4 * 132;

  private static final long MOST_PARTS = WIDE_BLOCKS / 2;

  private final GpuContext context;
  private final Walk kept;
  private final Walk folded;
  private final boolean columns;
  private final boolean wide;
  private final long parts;
  private final long partLength;

  private ReduceKernels(GpuContext context, Walk kept, Walk folded) {
    this.context = context;
    this.kept = kept;
    this.folded = folded;
    this.columns =
        kept.innerStride(0) == 1 && kept.innerDim() >= COLUMNS && folded.innerStride(0) != 1;
    this.wide =
        columns
            && kept.count() >= WIDE_COLUMNS
            && kept.innerDim() % RUN == 0
            && kept.isWide(0, kept.rank() - 1)
            && folded.rank() == 1
            && folded.isWide(0, 1)
            && context.function(FILE, "arg_wide_columns_f32") != 0;
    long blocks =
        Math.max(1, columns ? Math.ceilDiv(kept.count(), columnsOfBlock()) : kept.count());
    long most = wide ? Math.min(MOST_PARTS, WIDE_BLOCKS / blocks) : BLOCKS / blocks;
    long wanted = Math.min(most, folded.count() * kept.count() / PART / blocks);
    long length = Math.ceilDiv(folded.count(), Math.max(1, wanted));
    this.partLength = Math.max(1, Math.ceilDiv(length, RUN) * RUN);
    this.parts = Math.max(1, Math.ceilDiv(folded.count(), partLength));
  }

  static @Nullable Kernel reduce(GpuContext context, KernelKey key) {
    Reduce reduce = (Reduce) key.op();
    return key.all(DType.F32)
        ? create(context, key, reduce.axes()).map(each -> each.reduce(reduce.fn())).orElse(null)
        : null;
  }

  static @Nullable Kernel argReduce(GpuContext context, KernelKey key) {
    ArgReduce reduce = (ArgReduce) key.op();
    return key.dtype(0) == DType.F32
        ? create(context, key, List.of(reduce.axis()))
            .map(each -> each.argReduce(reduce.fn()))
            .orElse(null)
        : null;
  }

  private static Optional<ReduceKernels> create(
      GpuContext context, KernelKey key, List<Integer> axes) {
    List<Integer> among = axes.stream().map(axis -> key.shape(0).axis(axis)).toList();
    Optional<Walk> kept = walk(key.layout(0), among, false);
    Optional<Walk> folded = walk(key.layout(0), among, true);
    return kept.isPresent() && folded.isPresent()
        ? Optional.of(new ReduceKernels(context, kept.get(), folded.get()))
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

  // ---- folds ----------------------------------------------------------------------------------

  private Kernel reduce(Reduce.Fn fn) {
    String suffix = "_" + fn.name().toLowerCase(Locale.ROOT) + "_f32";
    if (parts == 1) {
      return kernel("reduce" + lines() + suffix, 0, fold(suffix, 1, 0, kept, folded, 1));
    }
    // Parts of a result are neighbours after rows, and a row apart after columns.
    Layout partial =
        columns
            ? Layout.contiguous(Shape.of(parts, kept.count())).permute(1, 0)
            : Layout.contiguous(Shape.of(kept.count(), parts));
    Walk results = Walk.over(List.of(partial.slice(1, 0, 1, 1))).orElseThrow();
    Walk among = Walk.over(List.of(partial.slice(0, 0, 1, 1))).orElseThrow();
    return kernel(
        "reduce" + lines() + suffix,
        Float.BYTES,
        fold(suffix, 2, 0, kept, folded, parts),
        fold(suffix, 1, 2, results, among, 1));
  }

  private String lines() {
    return wide ? "_wide_columns" : columns ? "_columns" : "_rows";
  }

  private int columnsOfBlock() {
    return wide ? WIDE_COLUMNS : COLUMNS;
  }

  private Launch fold(String suffix, int to, int from, Walk kept, Walk folded, long parts) {
    long length = parts == 1 ? Math.max(1, folded.count()) : partLength;
    Parameters parameters = new Parameters().operand(to).operand(from);
    addWalks(parameters, kept, folded, parts, length);
    return Launch.of(
        context, FILE, "reduce" + lines() + suffix, grid(kept, parts, length), parameters);
  }

  /** What functions that fold lines have in common. */
  private void addWalks(Parameters parameters, Walk kept, Walk folded, long parts, long length) {
    if (columns) {
      parameters.number(length);
    } else {
      long runs = hasRuns(kept, folded) ? 1 : 0;
      parameters.number(team(length)).number(parts).number(length).number(runs);
    }
    parameters.struct(kept.words()).struct(folded.words());
  }

  private Grid grid(Walk kept, long parts, long length) {
    if (columns) {
      int blocks = (int) Math.ceilDiv(kept.count(), columnsOfBlock());
      return new Grid(blocks, (int) parts, 1, THREADS, 0);
    }
    return Grid.of(Math.ceilDiv(kept.count() * parts * team(length), THREADS), THREADS);
  }

  /**
   * Whether four elements of a fold in turn are neighbours, at a multiple of four from the first.
   */
  private static boolean hasRuns(Walk kept, Walk folded) {
    return folded.innerStride(0) == 1
        && (folded.rank() == 1 || folded.innerDim() % RUN == 0)
        && folded.isWide(0, folded.rank() - 1)
        && kept.isWide(0, kept.rank());
  }

  /** Threads for so many elements, a power of two: each has eight turns or so. */
  private static int team(long length) {
    return Math.clamp(Long.highestOneBit(Math.max(1, length / (8 * RUN))), 32, THREADS);
  }

  private Kernel kernel(String name, long scratchBytes, Launch... launches) {
    return new LaunchKernel(
        context,
        launches.length == 1 ? name : name + "_parts",
        scratchBytes * parts * kept.count(),
        launches);
  }

  // ---- positions of extremes ------------------------------------------------------------------

  private Kernel argReduce(ArgReduce.Fn fn) {
    String name = "arg" + lines() + "_f32";
    Parameters parameters =
        new Parameters()
            .operand(parts == 1 ? 1 : 2)
            .operand(0)
            .number(fn == ArgReduce.Fn.ARGMIN ? 1 : 0);
    addWalks(parameters, kept, folded, parts, partLength);
    Launch first = Launch.of(context, FILE, name, grid(kept, parts, partLength), parameters);
    if (parts == 1) {
      return kernel(name, 0, first);
    }
    Parameters among =
        new Parameters()
            .operand(1)
            .operand(2)
            .number(parts)
            .number(columns ? 1 : parts)
            .number(columns ? kept.count() : 1);
    Grid results = Grid.of(kept.count(), team(8 * RUN * parts));
    return kernel(name, Long.BYTES, first, Launch.of(context, FILE, "arg_parts", results, among));
  }
}
