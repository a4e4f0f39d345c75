package io.quern.cpu.reduce;

import io.quern.DType;
import io.quern.Shape;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.op.Reduce;
import io.quern.runtime.HostMemory;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Reduce of contiguous floats. The order of folding follows from the shape alone: where the last
 * axis is folded, runs of it are folded into lanes: one piece of {@value #PIECE} elements of a long
 * run after another, or as many short runs as that makes, then the results of the pieces. Where it
 * is kept, whole rows are folded into each other.
 */
public final class ReduceKernel implements Kernel {
  private static final long PIECE = 16384;
  private static final long CHUNK = 32768;

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

  private ReduceKernel(KernelKey key, Reduce reduce) {
    this.fn = reduce.fn();
    this.fold = RunReduce.of(fn);
    Shape shape = key.shape(0);
    boolean[] isFolded = new boolean[shape.rank()];
    for (int axis : reduce.axes()) {
      isFolded[shape.axis(axis)] = true;
    }
    // Neighbouring axes of the same kind are one.
    long stride = 4;
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

  /** The kernel for {@code key}, or null when it is not contiguous F32. */
  public static @Nullable Kernel create(KernelKey key) {
    return key.all(DType.F32) && key.isContiguous() && key.op() instanceof Reduce reduce
        ? new ReduceKernel(key, reduce)
        : null;
  }

  @Override
  public void run(Operands operands) {
    if (alongRuns) {
      runs(operands);
    } else {
      rows(operands);
    }
  }

  // What a call keeps for its tasks.
  private static final int FROM = 0;
  private static final int TO = 1;
  private static final int PIECES = 2;
  private static final int PER_CHUNK = 3;
  private static final int TOTAL = 4;

  private void share(
      Workers.Task<Operands> task,
      Operands call,
      long from,
      long to,
      long pieces,
      long perChunk,
      long total) {
    call.keep(FROM, from);
    call.keep(TO, to);
    call.keep(PIECES, pieces);
    call.keep(PER_CHUNK, perChunk);
    call.keep(TOTAL, total);
    Workers.shared().run(task, call, Math.toIntExact((total + perChunk - 1) / perChunk));
  }

  private void runs(Operands call) {
    long from = call.address(0);
    long to = call.address(1);
    long pieces = piecesPerRun() * ((foldedCount + runsPerPiece() - 1) / runsPerPiece());
    if (pieces == 0) {
      fillNeutral(to, keptCount);
      return;
    }
    if (pieces == 1) {
      foldPieces(call, from, to, 1, keptCount);
      return;
    }
    HostMemory.Block partials = HostMemory.shared().allocate(4 * keptCount * pieces);
    try {
      foldPieces(call, from, partials.address(), pieces, keptCount * pieces);
      long perChunk = Math.max(1, CHUNK / pieces);
      share(foldPartials, call, partials.address(), to, pieces, perChunk, keptCount);
    } finally {
      HostMemory.shared().free(partials);
    }
  }

  private long piecesPerRun() {
    return Math.max(1, (inner + PIECE - 1) / PIECE);
  }

  private long runsPerPiece() {
    return Math.clamp(PIECE / Math.max(1, inner), 1, Math.max(1, foldedCount));
  }

  private void foldPieces(Operands call, long from, long to, long pieces, long total) {
    long perPiece = Math.min(inner, PIECE) * runsPerPiece();
    long perChunk = Math.max(1, CHUNK / Math.max(1, perPiece));
    share(foldPieces, call, from, to, pieces, perChunk, total);
  }

  private void foldPieces(Operands call, int chunk) {
    HostMemory.Block scratch = HostMemory.shared().allocate(RunReduce.SCRATCH);
    long first = chunk * call.kept(PER_CHUNK);
    long end = Math.min(call.kept(TOTAL), first + call.kept(PER_CHUNK));
    if (foldedCount == 1 && call.kept(PIECES) == 1) {
      long from = call.kept(FROM) + 4 * inner * first;
      fold.runs(from, inner, end - first, call.kept(TO) + 4 * first, scratch.address());
      HostMemory.shared().free(scratch);
      return;
    }
    for (long i = first; i < end; i++) {
      long output = i / call.kept(PIECES);
      long base = call.kept(FROM) + offset(kept, output);
      foldPiece(base, i - output * call.kept(PIECES), scratch.address(), call.kept(TO) + 4 * i);
    }
    HostMemory.shared().free(scratch);
  }

  private void foldPiece(long base, long piece, long scratch, long to) {
    long group = piece / piecesPerRun();
    long start = (piece - group * piecesPerRun()) * PIECE;
    long length = Math.min(PIECE, inner - start);
    long end = Math.min(foldedCount, (group + 1) * runsPerPiece());
    if (foldedCount == 1) {
      Raw.putFloat(to, fold.run(base + 4 * start, length, scratch));
      return;
    }
    fold.clear(scratch);
    for (long run = group * runsPerPiece(); run < end; run++) {
      fold.add(base + offset(folded, run) + 4 * start, length, scratch);
    }
    Raw.putFloat(to, fold.finish(scratch));
  }

  private void foldPartials(Operands call, int chunk) {
    HostMemory.Block scratch = HostMemory.shared().allocate(RunReduce.SCRATCH);
    long first = chunk * call.kept(PER_CHUNK);
    long end = Math.min(call.kept(TOTAL), first + call.kept(PER_CHUNK));
    for (long i = first; i < end; i++) {
      long base = call.kept(FROM) + 4 * i * call.kept(PIECES);
      Raw.putFloat(call.kept(TO) + 4 * i, fold.run(base, call.kept(PIECES), scratch.address()));
    }
    HostMemory.shared().free(scratch);
  }

  private void rows(Operands call) {
    // Wide rows are cut, so that a single one occupies all threads too.
    long width = Math.min(inner, PIECE);
    long cuts = width == 0 ? 0 : (inner + width - 1) / width;
    long perChunk = Math.max(1, CHUNK / Math.max(1, width * Math.max(1, foldedCount)));
    long total = keptCount * cuts;
    share(foldRows, call, call.address(0), call.address(1), cuts, perChunk, total);
  }

  private void foldRows(Operands call, int chunk) {
    long first = chunk * call.kept(PER_CHUNK);
    long end = Math.min(call.kept(TOTAL), first + call.kept(PER_CHUNK));
    for (long i = first; i < end; i++) {
      long output = i / call.kept(PIECES);
      long start = (i - output * call.kept(PIECES)) * PIECE;
      long n = Math.min(PIECE, inner - start);
      long to = call.kept(TO) + 4 * (output * inner + start);
      long base = call.kept(FROM) + offset(kept, output) + 4 * start;
      fillNeutral(to, n);
      for (long row = 0; row < foldedCount; row++) {
        fold.addRow(base + offset(folded, row), n, to);
      }
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
    return "reduce_f32_" + (alongRuns ? "runs" : "rows");
  }
}
