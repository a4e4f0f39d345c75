package io.quern.cpu.gemm;

import static io.quern.cpu.gemm.MicroKernel.ROWS;

import io.quern.runtime.HostMemory;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;

/**
 * C = A B for float matrices of any strides, C row-major: packed panels, cache blocks, the
 * micro-kernel (Goto, van de Geijn 2008). Immutable and thread-safe.
 *
 * <p>A block of A ({@link #BLOCK_M} x {@link #BLOCK_K}) stays in the second-level cache while a
 * panel of B ({@link #BLOCK_K} x tile width) stays in the first.
 */
public final class GemmF32 {
  private static final int BLOCK_M = 16 * ROWS;
  private static final int BLOCK_K = 384;
  private static final int PANELS_N = 8;
  private static final long SLICE_M = 32L * BLOCK_M;
  private static final long SLICE_N = 4096;

  /** Multiply-adds below which a second thread costs more than it brings. */
  private static final long PARALLEL_WORK = 1 << 17;

  private final MicroKernel micro = MicroKernel.chosen();
  private final int width = micro.columns();
  private final long m;
  private final long n;
  private final long k;
  private final long aRow;
  private final long aStep;
  private final long bRow;
  private final long bStep;
  private final long cRow;

  /** Sizes of the product; rows and steps are strides in bytes. */
  public GemmF32(long m, long n, long k, long aRow, long aStep, long bRow, long bStep, long cRow) {
    this.m = m;
    this.n = n;
    this.k = k;
    this.aRow = aRow;
    this.aStep = aStep;
    this.bRow = bRow;
    this.bStep = bStep;
    this.cRow = cRow;
  }

  /** Whether splitting one product over threads is worth it. */
  public boolean isLarge() {
    return (double) m * n * k >= PARALLEL_WORK;
  }

  /** Computes C from the addresses of the matrices' first elements. */
  public void run(long a, long b, long c) {
    if (m == 0 || n == 0) {
      return;
    }
    if (k == 0) {
      for (long i = 0; i < m; i++) {
        Raw.zero(c + i * cRow, 4 * n);
      }
      return;
    }
    // Blocks of equal size waste less than full ones and a small rest.
    long blocks = (k + BLOCK_K - 1) / BLOCK_K;
    long depth = (k + blocks - 1) / blocks;
    Slice slice = new Slice(depth);
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
      slice.free();
    }
  }

  /** The part of a product whose packed operands exist at one time. */
  private final class Slice {
    private final HostMemory.Block memory;
    private final long packedA;
    private final long packedB;
    private final long offsets;
    private long a;
    private long b;
    private long c;
    private long rows;
    private long columns;
    private long depth;
    private boolean accumulate;

    Slice(long depth) {
      long bytesA = 4 * depth * roundUp(Math.min(m, SLICE_M), ROWS);
      long bytesB = 4 * depth * roundUp(Math.min(n, SLICE_N), width);
      long toB = roundUp(bytesA, HostMemory.ALIGNMENT);
      long toOffsets = toB + roundUp(bytesB, HostMemory.ALIGNMENT);
      memory = HostMemory.shared().allocate(toOffsets + 4 * depth);
      packedA = memory.address();
      packedB = packedA + toB;
      offsets = packedA + toOffsets;
      Packing.rowOffsets(offsets, depth, 4L * width);
    }

    void free() {
      HostMemory.shared().free(memory);
    }

    void set(long aBase, long bBase, long cBase, long i, long j, long t) {
      long full = (k + BLOCK_K - 1) / BLOCK_K;
      depth = Math.min((k + full - 1) / full, k - t);
      a = aBase + i * aRow + t * aStep;
      b = bBase + t * bRow + j * bStep;
      c = cBase + i * cRow + 4 * j;
      rows = Math.min(SLICE_M, m - i);
      columns = Math.min(SLICE_N, n - j);
      accumulate = t > 0;
    }

    void run(boolean packB) {
      int panels = (int) ((columns + width - 1) / width);
      int blocks = (int) ((rows + BLOCK_M - 1) / BLOCK_M);
      int groups = (panels + PANELS_N - 1) / PANELS_N;
      if (rows * columns * depth < PARALLEL_WORK) {
        for (int chunk = 0; chunk < blocks + (packB ? groups : 0); chunk++) {
          pack(chunk);
        }
        for (int chunk = 0; chunk < blocks * groups; chunk++) {
          multiply(chunk);
        }
        return;
      }
      Workers.shared().run(Slice::pack, this, blocks + (packB ? groups : 0));
      Workers.shared().run(Slice::multiply, this, blocks * groups);
    }

    private void pack(int chunk) {
      int blocks = (int) ((rows + BLOCK_M - 1) / BLOCK_M);
      if (chunk < blocks) {
        long i = (long) chunk * BLOCK_M;
        Packing.packA(
            a + i * aRow, aRow, aStep, Math.min(BLOCK_M, rows - i), depth, packedA + 4 * i * depth);
        return;
      }
      long from = (long) (chunk - blocks) * PANELS_N * width;
      long to = Math.min(columns, from + (long) PANELS_N * width);
      for (long j = from; j < to; j += width) {
        Packing.packB(
            micro,
            b + j * bStep,
            bRow,
            bStep,
            Math.min(width, to - j),
            depth,
            packedB + 4 * j * depth);
      }
    }

    private void multiply(int chunk) {
      int blocks = (int) ((rows + BLOCK_M - 1) / BLOCK_M);
      long i0 = (long) (chunk % blocks) * BLOCK_M;
      long j0 = (long) (chunk / blocks) * PANELS_N * width;
      long i1 = Math.min(rows, i0 + BLOCK_M);
      long j1 = Math.min(columns, j0 + (long) PANELS_N * width);
      HostMemory.Block edge = null;
      for (long j = j0; j < j1; j += width) {
        long panelB = packedB + 4 * j * depth;
        for (long i = i0; i < i1; i += ROWS) {
          long panelA = packedA + 4 * i * depth;
          long tile = c + i * cRow + 4 * j;
          if (i + ROWS <= i1 && j + width <= j1) {
            tile(panelA, panelB, tile, cRow);
          } else {
            edge = edge != null ? edge : HostMemory.shared().allocate(4L * ROWS * width);
            edgeTile(panelA, panelB, tile, i1 - i, j1 - j, edge.address());
          }
        }
      }
      if (edge != null) {
        HostMemory.shared().free(edge);
      }
    }

    private void tile(long panelA, long panelB, long tile, long tileRow) {
      micro.tile(
          panelA,
          panelA + 4,
          panelA + 8,
          panelA + 12,
          panelA + 16,
          panelA + 20,
          4 * ROWS,
          panelB,
          offsets,
          depth,
          tile,
          tileRow,
          accumulate);
    }

    /** A tile that hangs over the edge of C is computed aside. */
    private void edgeTile(
        long panelA, long panelB, long tile, long rowsLeft, long columnsLeft, long aside) {
      long asideRow = 4L * width;
      int present = (int) Math.min(ROWS, rowsLeft);
      long count = Math.min(width, columnsLeft);
      if (accumulate) {
        Raw.zero(aside, ROWS * asideRow);
        for (int i = 0; i < present; i++) {
          Raw.copy(tile + i * cRow, aside + i * asideRow, 4 * count);
        }
      }
      tile(panelA, panelB, aside, asideRow);
      for (int i = 0; i < present; i++) {
        Raw.copy(aside + i * asideRow, tile + i * cRow, 4 * count);
      }
    }
  }

  private static long roundUp(long value, long multiple) {
    return (value + multiple - 1) / multiple * multiple;
  }
}
