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
      runs(operands.address(0), operands.address(1));
    } else {
      rows(operands.address(0), operands.address(1));
    }
  }

  private record Call(
      ReduceKernel kernel, long from, long to, long pieces, long perChunk, long total) {}

  private void runs(long from, long to) {
    long pieces = piecesPerRun() * ((foldedCount + runsPerPiece() - 1) / runsPerPiece());
    if (pieces == 0) {
      fillNeutral(to, keptCount);
      return;
    }
    if (pieces == 1) {
      foldPieces(from, to, 1, keptCount);
      return;
    }
    HostMemory.Block partials = HostMemory.shared().allocate(4 * keptCount * pieces);
    try {
      foldPieces(from, partials.address(), pieces, keptCount * pieces);
      long perChunk = Math.max(1, CHUNK / pieces);
      Workers.shared()
          .run(
              ReduceKernel::foldPartials,
              new Call(this, partials.address(), to, pieces, perChunk, keptCount),
              chunks(keptCount, perChunk));
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

  private void foldPieces(long from, long to, long pieces, long total) {
    long perPiece = Math.min(inner, PIECE) * runsPerPiece();
    long perChunk = Math.max(1, CHUNK / Math.max(1, perPiece));
    Workers.shared()
        .run(
            ReduceKernel::foldPieces,
            new Call(this, from, to, pieces, perChunk, total),
            chunks(total, perChunk));
  }

  private static int chunks(long total, long perChunk) {
    return Math.toIntExact((total + perChunk - 1) / perChunk);
  }

  private static void foldPieces(Call call, int chunk) {
    ReduceKernel kernel = call.kernel;
    HostMemory.Block scratch = HostMemory.shared().allocate(RunReduce.SCRATCH);
    long first = chunk * call.perChunk;
    long end = Math.min(call.total, first + call.perChunk);
    for (long i = first; i < end; i++) {
      long output = i / call.pieces;
      long base = call.from + offset(kernel.kept, output);
      kernel.foldPiece(base, i - output * call.pieces, scratch.address(), call.to + 4 * i);
    }
    HostMemory.shared().free(scratch);
  }

  private void foldPiece(long base, long piece, long scratch, long to) {
    long group = piece / piecesPerRun();
    long start = (piece - group * piecesPerRun()) * PIECE;
    long end = Math.min(foldedCount, (group + 1) * runsPerPiece());
    fold.clear(scratch);
    for (long run = group * runsPerPiece(); run < end; run++) {
      fold.add(base + offset(folded, run) + 4 * start, Math.min(PIECE, inner - start), scratch);
    }
    Raw.putFloat(to, fold.finish(scratch));
  }

  private static void foldPartials(Call call, int chunk) {
    HostMemory.Block scratch = HostMemory.shared().allocate(RunReduce.SCRATCH);
    long first = chunk * call.perChunk;
    long end = Math.min(call.total, first + call.perChunk);
    for (long i = first; i < end; i++) {
      long base = call.from + 4 * i * call.pieces;
      Raw.putFloat(call.to + 4 * i, call.kernel.fold.run(base, call.pieces, scratch.address()));
    }
    HostMemory.shared().free(scratch);
  }

  private void rows(long from, long to) {
    // Wide rows are cut, so that a single one occupies all threads too.
    long width = Math.min(inner, PIECE);
    long cuts = width == 0 ? 0 : (inner + width - 1) / width;
    long perChunk = Math.max(1, CHUNK / Math.max(1, width * Math.max(1, foldedCount)));
    long total = keptCount * cuts;
    Workers.shared()
        .run(
            ReduceKernel::foldRows,
            new Call(this, from, to, cuts, perChunk, total),
            chunks(total, perChunk));
  }

  private static void foldRows(Call call, int chunk) {
    ReduceKernel kernel = call.kernel;
    long first = chunk * call.perChunk;
    long end = Math.min(call.total, first + call.perChunk);
    for (long i = first; i < end; i++) {
      long output = i / call.pieces;
      long start = (i - output * call.pieces) * PIECE;
      long n = Math.min(PIECE, kernel.inner - start);
      long to = call.to + 4 * (output * kernel.inner + start);
      long base = call.from + offset(kernel.kept, output) + 4 * start;
      kernel.fillNeutral(to, n);
      for (long row = 0; row < kernel.foldedCount; row++) {
        kernel.fold.addRow(base + offset(kernel.folded, row), n, to);
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
