package io.quern.cpu.reduce;

import io.quern.DType;
import io.quern.Shape;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.cpu.elementwise.Loop;
import io.quern.cpu.elementwise.Loops;
import io.quern.cpu.fused.Chain;
import io.quern.op.FusedReduce;
import io.quern.op.Reduce;
import io.quern.op.TensorSpec;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Reduce of contiguous floats, or of what a chain of functions gives, tile by tile. The order of
 * folding follows from the shape alone: where the last axis is folded, runs of it are folded into
 * lanes: one piece of {@value #PIECE} elements of a long run after another, or as many short runs
 * as that makes, then the results of the pieces. Where it is kept, whole rows are folded into each
 * other.
 */
public final class ReduceKernel implements Kernel {
  private static final long PIECE = 16384;
  private static final long CHUNK = 32768;

  /** Elements of a chain at a time: whole sets of lanes, far less than the first-level cache. */
  private static final long TILE = 2048;

  /** A chain that would begin anew for fewer elements takes longer than it saves. */
  private static final long LEAST = 256;

  /** Long chains are for many threads: rows of fewer parts are folded when the chain is done. */
  private static final long PARTS = 8;

  private static final long LONG = 1 << 18;

  private final @Nullable Chain chain;

  private final DType dtype;

  /** From and to narrow floats, else null. */
  private final @Nullable Loop widening;

  private final @Nullable Loop rounding;

  /** Elements that can be had at a time. */
  private final long most;

  private final long scratchBytes;
  private final Reduce.Fn fn;
  private final RunReduce fold;
  private final List<Dim> kept = new ArrayList<>();
  private final List<Dim> folded = new ArrayList<>();
  private final boolean alongRuns;

  /** Length of the innermost group of axes. */
  private final long inner;

  private final long keptCount;
  private final long foldedCount;

  private final Workers.Task<Operands> foldPieces = this::foldPieces;
  private final Workers.Task<Operands> foldPartials = this::foldPartials;
  private final Workers.Task<Operands> foldRows = this::foldRows;

  private record Dim(long size, long stride) {}

  private ReduceKernel(DType dtype, Shape shape, Reduce reduce, @Nullable Chain chain) {
    this.chain = chain;
    this.dtype = dtype;
    boolean isNarrow = dtype != DType.F32;
    this.widening = isNarrow ? Loops.cast(dtype, DType.F32).orElseThrow() : null;
    this.rounding = isNarrow ? Loops.cast(DType.F32, dtype).orElseThrow() : null;
    this.most = isInPlace() ? PIECE : TILE;
    this.scratchBytes =
        RunReduce.SCRATCH
            + (isInPlace() ? 0 : 4 * TILE)
            + (chain == null ? 0 : chain.scratchBytes());
    this.fn = reduce.fn();
    this.fold = RunReduce.of(fn);
    boolean[] isFolded = new boolean[shape.rank()];
    for (int axis : reduce.axes()) {
      isFolded[shape.axis(axis)] = true;
    }
    // Neighbouring axes of the same kind are one.
    long stride = 1;
    long size = 1;
    int d = shape.rank() - 1;
    boolean last = d < 0 || isFolded[d];
    while (d >= 0 && (isFolded[d] == last || shape.dim(d) == 1)) {
      size *= shape.dim(d--);
    }
    this.alongRuns = last;
    this.inner = size;
    stride *= size;
    while (d >= 0) {
      boolean kind = isFolded[d];
      size = 1;
      while (d >= 0 && (isFolded[d] == kind || shape.dim(d) == 1)) {
        size *= shape.dim(d--);
      }
      (kind ? folded : kept).addFirst(new Dim(size, stride));
      stride *= size;
    }
    this.keptCount = count(kept);
    this.foldedCount = count(folded);
  }

  private static long count(List<Dim> dims) {
    return dims.stream().mapToLong(Dim::size).reduce(1, (x, y) -> x * y);
  }

  private static long offset(List<Dim> dims, long index) {
    long offset = 0;
    for (int d = dims.size() - 1; d >= 0; d--) {
      Dim dim = dims.get(d);
      long next = index / dim.size();
      offset += (index - next * dim.size()) * dim.stride();
      index = next;
    }
    return offset;
  }

  /** The kernel for {@code key}, or null when it is not of contiguous floats. */
  public static @Nullable Kernel create(KernelKey key) {
    DType dtype = key.dtype(0);
    boolean isCovered = dtype == DType.F32 || dtype == DType.F16 || dtype == DType.BF16;
    return isCovered && key.isContiguous() && key.op() instanceof Reduce reduce
        ? new ReduceKernel(dtype, key.shape(0), reduce, null)
        : null;
  }

  /** The kernel for a reduction of a chain, or null when it is not F32 or better done apart. */
  public static @Nullable Kernel ofChain(KernelKey key) {
    if (!key.all(DType.F32) || !(key.op() instanceof FusedReduce fused)) {
      return null;
    }
    List<TensorSpec> inputs = new ArrayList<>();
    for (int i = 0; i < key.inputs(); i++) {
      inputs.add(new TensorSpec(key.dtype(i), key.shape(i)));
    }
    Shape shape = fused.folded(inputs).shape();
    boolean isSum = fused.reduce().fn() == Reduce.Fn.SUM;
    Chain.Use use = isSum ? Chain.Use.SUMMED : Chain.Use.STORED;
    Chain chain = new Chain(fused.program(), key, shape, use);
    ReduceKernel kernel = new ReduceKernel(DType.F32, shape, fused.reduce(), chain);
    return shape.size() > 0 && kernel.suitsChain(shape.size()) ? kernel : null;
  }

  /** Whether a chain gives enough at a time, to enough threads. */
  private boolean suitsChain(long size) {
    boolean isSerial = !alongRuns && keptCount * cuts() < PARTS && size > LONG;
    return !isSerial && (isAdjacent() || inner >= LEAST);
  }

  /** Whether the runs of neighbouring outputs, or the rows of one, lie side by side. */
  private boolean isAdjacent() {
    return folded.size() <= (alongRuns ? 0 : 1);
  }

  @Override
  public void run(Operands call) {
    long to = call.address(call.count() - 1);
    if (rounding == null) {
      fold(call, to);
      return;
    }
    long count = keptCount * (alongRuns ? 1 : inner);
    try (MemoryPool.Block results = HostMemory.shared().allocate(4 * count)) {
      fold(call, results.address());
      rounding.run(results.address(), 0, 0, to, count);
    }
  }

  private void fold(Operands call, long to) {
    if (alongRuns) {
      runs(call, to);
    } else {
      rows(call, to);
    }
  }

  /** Whether floats are folded where they are. */
  private boolean isInPlace() {
    return chain == null && widening == null;
  }

  @Override
  public boolean warmUp() {
    return chain == null || chain.warmUp();
  }

  /**
   * Address of some elements that are folded, {@link #most} or fewer; those of a chain are computed
   * now, and narrow ones are widened.
   */
  private long elements(Operands call, long first, long n, long scratch) {
    long from = call.address(0) + dtype.bytes() * first;
    if (isInPlace()) {
      return from;
    }
    long tile = scratch + RunReduce.SCRATCH;
    if (widening != null) {
      widening.run(from, 0, 0, tile, n);
      return tile;
    }
    Objects.requireNonNull(chain).run(call, first, n, tile, chainScratch(scratch));
    return tile;
  }

  private static long chainScratch(long scratch) {
    return scratch + RunReduce.SCRATCH + 4 * TILE;
  }

  // What a call keeps for its tasks.
  private static final int FROM = 0;
  private static final int TO = 1;
  private static final int PIECES = 2;
  private static final int PER_CHUNK = 3;
  private static final int TOTAL = 4;

  private void share(
      Workers.Task<Operands> task, Operands call, long to, long pieces, long perChunk, long total) {
    call.keep(TO, to);
    call.keep(PIECES, pieces);
    call.keep(PER_CHUNK, perChunk);
    call.keep(TOTAL, total);
    Workers.shared().run(task, call, Math.toIntExact((total + perChunk - 1) / perChunk));
  }

  private void runs(Operands call, long to) {
    long pieces = piecesPerRun() * ((foldedCount + runsPerPiece() - 1) / runsPerPiece());
    if (pieces == 0) {
      fillNeutral(to, keptCount);
      return;
    }
    if (pieces == 1) {
      foldPieces(call, to, 1, keptCount);
      return;
    }
    try (MemoryPool.Block partials = HostMemory.shared().allocate(4 * keptCount * pieces)) {
      foldPieces(call, partials.address(), pieces, keptCount * pieces);
      call.keep(FROM, partials.address());
      share(foldPartials, call, to, pieces, Math.max(1, CHUNK / pieces), keptCount);
    }
  }

  private long piecesPerRun() {
    return Math.max(1, (inner + PIECE - 1) / PIECE);
  }

  private long runsPerPiece() {
    return Math.clamp(PIECE / Math.max(1, inner), 1, Math.max(1, foldedCount));
  }

  private void foldPieces(Operands call, long to, long pieces, long total) {
    long perPiece = Math.min(inner, PIECE) * runsPerPiece();
    long perChunk = Math.max(1, CHUNK / Math.max(1, perPiece));
    share(foldPieces, call, to, pieces, perChunk, total);
  }

  private void foldPieces(Operands call, int chunk) {
    long first = chunk * call.kept(PER_CHUNK);
    long end = Math.min(call.kept(TOTAL), first + call.kept(PER_CHUNK));
    try (MemoryPool.Block scratch = HostMemory.shared().allocate(scratchBytes)) {
      if (foldedCount == 1 && call.kept(PIECES) == 1 && inner <= most) {
        foldRuns(call, first, end, scratch.address());
        return;
      }
      for (long i = first; i < end; i++) {
        long output = i / call.kept(PIECES);
        long piece = i - output * call.kept(PIECES);
        float result = foldPiece(call, offset(kept, output), piece, scratch.address());
        Raw.putFloat(call.kept(TO) + 4 * i, result);
      }
    }
  }

  private void foldRuns(Operands call, long first, long end, long scratch) {
    long together = Math.max(1, most / Math.max(1, inner));
    for (long i = first; i < end; i += together) {
      long count = Math.min(together, end - i);
      long from = elements(call, i * inner, count * inner, scratch);
      fold.runs(from, inner, count, call.kept(TO) + 4 * i, scratch);
    }
  }

  private float foldPiece(Operands call, long base, long piece, long scratch) {
    long group = piece / piecesPerRun();
    long start = (piece - group * piecesPerRun()) * PIECE;
    long length = Math.min(PIECE, inner - start);
    long end = Math.min(foldedCount, (group + 1) * runsPerPiece());
    fold.clear(scratch);
    for (long run = group * runsPerPiece(); run < end; run++) {
      add(call, base + offset(folded, run) + start, length, scratch);
    }
    return fold.finish(scratch);
  }

  private void add(Operands call, long first, long length, long scratch) {
    if (chain != null && chain.add(call, first, length, scratch, chainScratch(scratch))) {
      return;
    }
    for (long at = 0; at < length; at += most) {
      long n = Math.min(most, length - at);
      fold.add(elements(call, first + at, n, scratch), n, scratch);
    }
  }

  private void foldPartials(Operands call, int chunk) {
    long first = chunk * call.kept(PER_CHUNK);
    long end = Math.min(call.kept(TOTAL), first + call.kept(PER_CHUNK));
    try (MemoryPool.Block scratch = HostMemory.shared().allocate(RunReduce.SCRATCH)) {
      for (long i = first; i < end; i++) {
        long base = call.kept(FROM) + 4 * i * call.kept(PIECES);
        Raw.putFloat(call.kept(TO) + 4 * i, fold.run(base, call.kept(PIECES), scratch.address()));
      }
    }
  }

  /** Wide rows are cut, so that a single one occupies all threads too. */
  private long cuts() {
    return (inner + most - 1) / most;
  }

  private void rows(Operands call, long to) {
    long perPart = Math.min(inner, most) * Math.max(1, foldedCount);
    long perChunk = Math.max(1, CHUNK / Math.max(1, perPart));
    share(foldRows, call, to, cuts(), perChunk, keptCount * cuts());
  }

  private void foldRows(Operands call, int chunk) {
    if (isInPlace()) {
      foldRows(call, chunk, 0);
      return;
    }
    try (MemoryPool.Block scratch = HostMemory.shared().allocate(scratchBytes)) {
      foldRows(call, chunk, scratch.address());
    }
  }

  private void foldRows(Operands call, int chunk, long scratch) {
    long first = chunk * call.kept(PER_CHUNK);
    long end = Math.min(call.kept(TOTAL), first + call.kept(PER_CHUNK));
    for (long i = first; i < end; i++) {
      long output = i / call.kept(PIECES);
      long start = (i - output * call.kept(PIECES)) * most;
      long n = Math.min(most, inner - start);
      long to = call.kept(TO) + 4 * (output * inner + start);
      foldRows(call, offset(kept, output) + start, n, to, scratch);
    }
  }

  private void foldRows(Operands call, long base, long n, long to, long scratch) {
    long together = n == inner && isAdjacent() ? Math.max(1, most / n) : 1;
    fillNeutral(to, n);
    for (long row = 0; row < foldedCount; row += together) {
      long count = Math.min(together, foldedCount - row);
      long from = elements(call, base + offset(folded, row), count * n, scratch);
      fold.addRows(from, n, count, to);
    }
  }

  private void fillNeutral(long to, long n) {
    float neutral = RunReduce.neutral(fn);
    for (long i = 0; i < n; i++) {
      Raw.putFloat(to + 4 * i, neutral);
    }
  }

  @Override
  public String name() {
    String name = chain == null ? "reduce_" : "fused_reduce_";
    return name + dtype.name().toLowerCase(Locale.ROOT) + (alongRuns ? "_runs" : "_rows");
  }
}
