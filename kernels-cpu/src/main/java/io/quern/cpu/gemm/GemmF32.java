package io.quern.cpu.gemm;

import static io.quern.cpu.gemm.MicroKernel.ROWS;

import io.quern.backend.Operands;
import io.quern.cpu.fused.RowChain;
import io.quern.cpu.gemm.GemvF32.Order;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Raw;
import io.quern.runtime.Spare;
import io.quern.runtime.Workers;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * C = A B for float matrices of any strides, C row-major: packed panels, cache blocks, the
 * micro-kernel (Goto, van de Geijn 2008). Immutable and thread-safe.
 *
 * <p>A block of A ({@link #MOST_M} x {@link #BLOCK_K}) and a panel of B stay in the second-level
 * cache, from which the micro-kernel reads as fast as from the first. Deep blocks leave few sums to
 * fetch from further away and add to.
 */
public final class GemmF32 {
  private static final int BLOCK_M = 8 * ROWS;

  /** Most rows of a block of A, which meets all panels of B before the next one does. */
  private static final int MOST_M = 4 * BLOCK_M;

  private static final int BLOCK_K = 512;

  /** Panels of B that are packed together, whose rows are read in longer pieces of memory. */
  private static final int PANELS_N = 8;

  /** Most rows of a task times its panels; fewer where that leaves threads without work. */
  private static final int MOST_ROWS_AND_PANELS = PANELS_N * BLOCK_M;

  private static final int TASKS_PER_THREAD = 4;
  private static final long SLICE_M = 32L * BLOCK_M;
  private static final long SLICE_N = 4096;

  /** Rows this far apart, or a multiple of it, share too few sets of the caches. */
  private static final int PAGE = 4096;

  /** Operands up to this size are near enough to be read in place. */
  private static final int NEAR_BYTES = 1 << 18;

  /** Operands above this size come from memory, which is read in pieces as long as can be. */
  private static final int FAR_BYTES = 1 << 24;

  /** Packed panels that are used no more often than this do not repay the packing. */
  private static final int FEW = 3;

  /** Multiply-adds below which a second thread costs more than it brings. */
  private static final long PARALLEL_WORK = 1 << 19;

  /** Elements of B of which the same is true, however few rows use them. */
  private static final long PARALLEL_ELEMENTS = 1 << 17;

  private final MicroKernel micro;
  private final int width;
  private final long m;
  private final long n;
  private final long k;
  private final long aRow;
  private final long aStep;
  private final long bRow;
  private final long bStep;
  private final long cRow;

  /** How panels of B come to be read. */
  private enum PanelsOfB {
    /** A {@link PanelPacker} has packed them before. */
    PACKED_BEFORE,
    /** Where they are. */
    IN_PLACE,
    /** Packed by the first tile that uses them. */
    PACKED_ON_THE_WAY,
    /** Packed by the only task that uses them, before it does. */
    PACKED_LATE,
    /** All packed before any is used. */
    PACKED_AT_ONCE
  }

  /** Whether rows of A are read where they are. */
  private final boolean directA;

  private final PanelsOfB panelsOfB;

  private final @Nullable GemvF32 gemv;
  private final @Nullable RowChain chain;
  private final Spare<Slice> slices = new Spare<>(Slice::new);

  /**
   * Sizes of the product; rows and steps are strides in bytes.
   *
   * @param packedBefore whether B was packed by {@link #packer} before
   * @param chain what is applied to the rows of C, if anything
   */
  public GemmF32(
      long m,
      long n,
      long k,
      long aRow,
      long aStep,
      long bRow,
      long bStep,
      long cRow,
      boolean packedBefore,
      @Nullable RowChain chain) {
    this.micro = MicroKernel.forColumns(n);
    this.width = micro.columns();
    this.chain = chain;
    this.m = m;
    this.n = n;
    this.k = k;
    this.aRow = aRow;
    this.aStep = aStep;
    this.bRow = bRow;
    this.bStep = bStep;
    this.cRow = cRow;
    this.directA = aStep == 4 && aRow % PAGE != 0;
    this.panelsOfB = packedBefore ? PanelsOfB.PACKED_BEFORE : panelsOfB();
    this.gemv = gemv();
  }

  /** Name of the micro-kernel. */
  String name() {
    return micro.name();
  }

  /** Waits for what is compiled in the background. */
  boolean warmUp() {
    return gemv == null ? MicroKernel.chosen().warmUp() : gemv.warmUp();
  }

  private PanelsOfB panelsOfB() {
    double bytes = 4.0 * k * n;
    boolean isReadable = bStep == 4 && bRow >= 0 && bRow <= Integer.MAX_VALUE;
    if (isReadable && (bytes <= NEAR_BYTES || (m <= (long) FEW * ROWS && bytes <= FAR_BYTES))) {
      return PanelsOfB.IN_PLACE;
    }
    boolean isEven = isReadable && bRow > 4 && bRow % PAGE != 0;
    if (isEven && (m > BLOCK_M || bytes <= FAR_BYTES)) {
      return PanelsOfB.PACKED_ON_THE_WAY;
    }
    return m <= BLOCK_M ? PanelsOfB.PACKED_LATE : PanelsOfB.PACKED_AT_ONCE;
  }

  /**
   * The product as one of a matrix and a vector, or null. A single row has the bits that it has
   * among others, whichever way B lies.
   */
  private @Nullable GemvF32 gemv() {
    if (panelsOfB == PanelsOfB.PACKED_BEFORE) {
      return null;
    }
    if (m == 1 && n > 1 && (bStep == 4 || bRow == 4)) {
      return bStep == 4
          ? new GemvF32(n, k, Order.COLUMNS, bRow, aStep, depth())
          : new GemvF32(n, k, Order.TRANSPOSED, bStep, aStep, depth());
    }
    if (n == 1 && (aStep == 4 || aRow == 4)) {
      return aStep == 4
          ? new GemvF32(m, k, Order.DOTS, aRow, bRow, depth())
          : new GemvF32(m, k, Order.COLUMNS, aStep, bRow, depth());
    }
    return null;
  }

  /** What packs B for products that find it packed, or null where B is better left as it is. */
  @Nullable PanelPacker packer() {
    boolean inPlace = gemv != null && !gemv.transposes();
    return inPlace ? null : new PanelPacker(micro, n, k, bRow, bStep);
  }

  /** Whether splitting one product over threads is worth it. */
  public boolean isLarge() {
    return isLarge(m, n, k);
  }

  private static boolean isLarge(long m, long n, long k) {
    double elements = (double) n * k;
    return m * elements >= PARALLEL_WORK || elements >= PARALLEL_ELEMENTS;
  }

  /** Elements of a block of k; blocks of equal size waste less than full ones and a small rest. */
  private long depth() {
    long blocks = Math.max(1, (k + BLOCK_K - 1) / BLOCK_K);
    return (k + blocks - 1) / blocks;
  }

  /**
   * Computes C from the addresses of the matrices' first elements.
   *
   * @param call has the inputs of the chain from index 2 on
   * @param firstRow number of the first row of C among all rows of the result
   */
  public void run(long a, long b, long c, Operands call, long firstRow) {
    if (m == 0 || n == 0) {
      return;
    }
    if (k == 0) {
      for (long i = 0; i < m; i++) {
        Raw.zero(c + i * cRow, 4 * n);
      }
      applyChain(call, firstRow, 0, m, 0, n, c);
      return;
    }
    if (gemv != null) {
      boolean isRow = m == 1 && n > 1;
      gemv.run(isRow ? b : a, isRow ? a : b, c);
      applyChain(call, firstRow, 0, m, 0, n, c);
      return;
    }
    long depth = depth();
    Slice slice = slices.take();
    slice.open(depth, call, firstRow);
    try {
      for (long j = 0; j < n; j += SLICE_N) {
        for (long t = 0; t < k; t += depth) {
          for (long i = 0; i < m; i += SLICE_M) {
            slice.set(a, b, c, i, j, t);
            slice.run(i == 0);
          }
        }
      }
    } finally {
      slice.close();
      slices.give(slice);
    }
  }

  /** Applies the chain to a part of C. */
  private void applyChain(
      Operands call, long firstRow, long i0, long i1, long column, long count, long c) {
    if (chain == null) {
      return;
    }
    try (MemoryPool.Block table = HostMemory.shared().allocate(chain.tableBytes())) {
      long at = c + i0 * cRow;
      chain.apply(call, 2, firstRow + i0, i1 - i0, column, count, at, cRow, table.address());
    }
  }

  /** The part of a product whose packed operands exist at one time. */
  private final class Slice {
    private MemoryPool.@Nullable Block memory;
    private @Nullable Operands call;
    private long packedA;
    private long packedB;
    private long offsets;
    private long firstRow;
    private long firstColumn;
    private long row;
    private long a;
    private long b;
    private long c;
    private long rows;
    private long columns;
    private long depth;
    private int panelsPerTask;
    private long rowsPerTask;
    private boolean accumulate;
    private boolean last;

    void open(long depth, Operands operands, long first) {
      call = operands;
      firstRow = first;
      long bytesA = directA ? 0 : 4 * depth * roundUp(Math.min(m, SLICE_M), ROWS);
      long panels =
          panelsOfB == PanelsOfB.PACKED_AT_ONCE ? (Math.min(n, SLICE_N) + width - 1) / width : 1;
      long toB = roundUp(bytesA, HostMemory.ALIGNMENT);
      long toOffsets = toB + roundUp(4 * depth * width * panels, HostMemory.ALIGNMENT);
      MemoryPool.Block block = HostMemory.shared().allocate(toOffsets + 4 * depth);
      memory = block;
      packedA = block.address();
      packedB = packedA + toB;
      offsets = packedA + toOffsets;
      Packing.offsets(offsets, depth, directA ? 4 : 4L * ROWS);
    }

    void close() {
      HostMemory.shared().free(Objects.requireNonNull(memory));
      memory = null;
      call = null;
    }

    void set(long aBase, long bBase, long cBase, long i, long j, long t) {
      depth = Math.min(depth(), k - t);
      a = aBase + i * aRow + t * aStep;
      b =
          panelsOfB == PanelsOfB.PACKED_BEFORE
              ? bBase + 4 * (j * k + t * width)
              : bBase + t * bRow + j * bStep;
      c = cBase + i * cRow + 4 * j;
      rows = Math.min(SLICE_M, m - i);
      columns = Math.min(SLICE_N, n - j);
      row = firstRow + i;
      firstColumn = j;
      accumulate = t > 0;
      last = t + depth >= k;
    }

    void run(boolean packB) {
      int packs = packsOfA() + (packB ? packsOfB() : 0);
      if (!isLarge(rows, columns, depth)) {
        share(1);
        for (int chunk = 0; chunk < packs; chunk++) {
          pack(chunk);
        }
        for (int chunk = 0; chunk < tasks(); chunk++) {
          multiply(chunk);
        }
        return;
      }
      Workers workers = Workers.shared();
      share(workers.threads());
      workers.run(Slice::pack, this, packs);
      workers.run(Slice::multiply, this, tasks());
    }

    /**
     * Chooses tasks of about equal size. All threads have as many blocks of rows, if these are
     * large enough: a row then stays with its thread from one layer of a network to the next.
     */
    private void share(int threads) {
      int wanted = threads == 1 ? 1 : TASKS_PER_THREAD * threads;
      long most = Math.clamp(rows * panels() / wanted, BLOCK_M, MOST_M);
      long parts = (rows + most - 1) / most;
      long even = roundUp(parts, threads);
      if (even * BLOCK_M <= rows) {
        parts = even;
      }
      rowsPerTask = roundUp((rows + parts - 1) / parts, ROWS);
      long mostPanels = Math.max(1, MOST_ROWS_AND_PANELS / Math.max(BLOCK_M, rowsPerTask));
      panelsPerTask = Math.clamp((long) blocks() * panels() / wanted, 1, (int) mostPanels);
    }

    private int blocks() {
      return (int) ((rows + rowsPerTask - 1) / rowsPerTask);
    }

    private int panels() {
      return (int) ((columns + width - 1) / width);
    }

    private int groups() {
      return (panels() + panelsPerTask - 1) / panelsPerTask;
    }

    private int tasks() {
      return blocks() * groups();
    }

    private int packsOfA() {
      return directA ? 0 : (int) ((rows + BLOCK_M - 1) / BLOCK_M);
    }

    /** Groups of panels; in place, only one that is narrower than a tile is packed. */
    private int packsOfB() {
      long group = (long) PANELS_N * width;
      return switch (panelsOfB) {
        case PACKED_BEFORE, PACKED_ON_THE_WAY, PACKED_LATE -> 0;
        case IN_PLACE -> columns % width == 0 || !micro.readsWholeRows() ? 0 : 1;
        case PACKED_AT_ONCE -> (int) ((columns + group - 1) / group);
      };
    }

    private void pack(int chunk) {
      if (chunk < packsOfA()) {
        long i = (long) chunk * BLOCK_M;
        Packing.packA(
            a + i * aRow, aRow, aStep, Math.min(BLOCK_M, rows - i), depth, packedA + 4 * i * depth);
        return;
      }
      if (panelsOfB == PanelsOfB.IN_PLACE) {
        long j = columns / width * width;
        packB(j, columns - j, packedB, 0);
        return;
      }
      long from = (long) (chunk - packsOfA()) * PANELS_N * width;
      long to = Math.min(columns, from + (long) PANELS_N * width);
      try (MemoryPool.Block scratch = HostMemory.shared().allocate(Transpose.SCRATCH)) {
        packB(from, to - from, packedB + 4 * from * depth, scratch.address());
      }
    }

    /** Whether panels of so many columns are read in place. */
    private boolean isWhole(long count) {
      return count >= width || !micro.readsWholeRows();
    }

    private void packB(long j, long count, long to, long scratch) {
      Packing.packPanels(micro, b + j * bStep, bRow, bStep, count, depth, to, scratch);
    }

    private void multiply(int chunk) {
      long i0 = chunk / groups() * rowsPerTask;
      long j0 = (long) (chunk % groups()) * panelsPerTask * width;
      long i1 = Math.min(rows, i0 + rowsPerTask);
      long j1 = Math.min(columns, j0 + (long) panelsPerTask * width);
      try (MemoryPool.Block table = HostMemory.shared().allocate(MicroKernel.tableBytes(i1 - i0));
          MemoryPool.Block packed = packNow(j0, j1)) {
        rowsOfA(i0, i1, table.address());
        for (long j = j0; j < j1; j += width) {
          micro.panel(
              table.address(),
              offsets,
              panelB(j, j0, packed),
              panelRow(columns - j),
              depth,
              c + i0 * cRow + 4 * j,
              cRow,
              i1 - i0,
              Math.min(width, j1 - j),
              accumulate,
              panelsOfB == PanelsOfB.PACKED_ON_THE_WAY && packed != null ? packed.address() : 0);
        }
      }
      if (last && chain != null) {
        applyChain(
            Objects.requireNonNull(call), row, i0, i1, firstColumn + j0, j1 - j0, c + 4 * j0);
      }
    }

    /** Where a panel of B is, the first of which in this task is that of column {@code j0}. */
    private long panelB(long j, long j0, MemoryPool.@Nullable Block packed) {
      return switch (panelsOfB) {
        case PACKED_BEFORE -> b + 4 * j * k;
        case PACKED_AT_ONCE -> packedB + 4 * j * depth;
        case PACKED_LATE ->
            Objects.requireNonNull(packed).address() + Transpose.SCRATCH + 4 * (j - j0) * depth;
        case PACKED_ON_THE_WAY -> b + 4 * j;
        case IN_PLACE -> isWhole(columns - j) ? b + 4 * j : packedB;
      };
    }

    /** Bytes from row to row of a panel of B with so many columns from it on. */
    private long panelRow(long count) {
      boolean isThere =
          panelsOfB == PanelsOfB.PACKED_ON_THE_WAY
              || (panelsOfB == PanelsOfB.IN_PLACE && isWhole(count));
      return isThere ? bRow : 4L * width;
    }

    /** Memory for the panels of B that a task packs, if any. */
    private MemoryPool.@Nullable Block packNow(long j0, long j1) {
      return switch (panelsOfB) {
        case PACKED_LATE -> packLate(j0, j1);
        case PACKED_ON_THE_WAY -> HostMemory.shared().allocate(4 * depth * width);
        case PACKED_BEFORE, IN_PLACE, PACKED_AT_ONCE -> null;
      };
    }

    private MemoryPool.Block packLate(long j0, long j1) {
      long bytes = 4 * depth * roundUp(j1 - j0, width);
      MemoryPool.Block block = HostMemory.shared().allocate(Transpose.SCRATCH + bytes);
      packB(j0, j1 - j0, block.address() + Transpose.SCRATCH, block.address());
      return block;
    }

    /** Fills the table; rows of A in place beyond the last repeat it and are not used. */
    private void rowsOfA(long i0, long i1, long table) {
      if (!directA) {
        MicroKernel.packedRows(table, packedA + 4 * i0 * depth, depth, i1 - i0);
        return;
      }
      MicroKernel.evenRows(table, a + i0 * aRow, aRow, i1 - i0);
      for (long i = i1 - i0; i % ROWS != 0; i++) {
        Raw.putLong(table + 8 * i, a + (i1 - 1) * aRow);
      }
    }
  }

  private static long roundUp(long value, long multiple) {
    return (value + multiple - 1) / multiple * multiple;
  }
}
