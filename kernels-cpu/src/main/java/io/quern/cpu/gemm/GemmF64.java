package io.quern.cpu.gemm;

import static io.quern.cpu.gemm.MicroKernelF64.ROWS;

import io.quern.cpu.Twins;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Raw;
import io.quern.runtime.Spare;
import io.quern.runtime.Workers;

/**
 * C = A B for matrices of doubles of any strides, C row-major, as {@link GemmF32} but plainer: all
 * operands are packed. Immutable and thread-safe.
 */
final class GemmF64 {
  private static final int BLOCK_M = 16 * ROWS;
  private static final int BLOCK_K = 256;
  private static final int PANELS_N = 8;
  private static final long SLICE_M = 32L * BLOCK_M;
  private static final long SLICE_N = 4096;

  /** Multiply-adds below which a second thread costs more than it brings. */
  private static final long PARALLEL_WORK = 1 << 16;

  private final Twins<MicroKernelF64> micro = MicroKernelF64.twins();
  private final int width = MicroKernelF64.columns();
  private final Spare<Slice> slices = new Spare<>(Slice::new);
  private final long m;
  private final long n;
  private final long k;
  private final long aRow;
  private final long aStep;
  private final long bRow;
  private final long bStep;

  /** Sizes of the product; rows and steps are strides in bytes. */
  GemmF64(long m, long n, long k, long aRow, long aStep, long bRow, long bStep) {
    this.m = m;
    this.n = n;
    this.k = k;
    this.aRow = aRow;
    this.aStep = aStep;
    this.bRow = bRow;
    this.bStep = bStep;
  }

  boolean isLarge() {
    return (double) m * n * k >= PARALLEL_WORK;
  }

  boolean warmUp() {
    return micro.await();
  }

  /** Computes C from the addresses of the matrices' first elements. */
  void run(long a, long b, long c) {
    if (k == 0) {
      Raw.zero(c, 8 * m * n);
      return;
    }
    long depth = Math.min(k, BLOCK_K);
    long bytesA = 8 * depth * roundUp(Math.min(m, SLICE_M), ROWS);
    long bytesB = 8 * depth * roundUp(Math.min(n, SLICE_N), width);
    long toB = roundUp(bytesA, HostMemory.ALIGNMENT);
    try (MemoryPool.Block memory = HostMemory.shared().allocate(toB + bytesB)) {
      Slice slice = slices.take();
      slice.packedA = memory.address();
      slice.packedB = memory.address() + toB;
      for (long j = 0; j < n; j += SLICE_N) {
        for (long t = 0; t < k; t += BLOCK_K) {
          for (long i = 0; i < m; i += SLICE_M) {
            slice.set(a, b, c, i, j, t);
            slice.run(i == 0);
          }
        }
      }
      slices.give(slice);
    }
  }

  /** The part of a product whose packed operands exist at one time. */
  private final class Slice {
    private long packedA;
    private long packedB;
    private long a;
    private long b;
    private long c;
    private long rows;
    private long columns;
    private long depth;
    private boolean accumulate;

    void set(long aBase, long bBase, long cBase, long i, long j, long t) {
      a = aBase + i * aRow + t * aStep;
      b = bBase + t * bRow + j * bStep;
      c = cBase + 8 * (i * n + j);
      rows = Math.min(SLICE_M, m - i);
      columns = Math.min(SLICE_N, n - j);
      depth = Math.min(BLOCK_K, k - t);
      accumulate = t > 0;
    }

    private int blocks() {
      return (int) ((rows + BLOCK_M - 1) / BLOCK_M);
    }

    private int groups() {
      long group = (long) PANELS_N * width;
      return (int) ((columns + group - 1) / group);
    }

    void run(boolean packB) {
      int packs = blocks() + (packB ? groups() : 0);
      int products = blocks() * groups();
      if (rows * columns * depth < PARALLEL_WORK) {
        for (int chunk = 0; chunk < packs; chunk++) {
          pack(chunk);
        }
        for (int chunk = 0; chunk < products; chunk++) {
          multiply(chunk);
        }
        return;
      }
      Workers.shared().run(Slice::pack, this, packs);
      Workers.shared().run(Slice::multiply, this, products);
    }

    private void pack(int chunk) {
      if (chunk < blocks()) {
        long first = (long) chunk * BLOCK_M;
        long end = Math.min(rows, first + BLOCK_M);
        for (long i = first; i < end; i += ROWS) {
          long to = packedA + 8 * i * depth;
          panel(a + i * aRow, aRow, aStep, Math.min(ROWS, rows - i), ROWS, to);
        }
        return;
      }
      long first = (long) (chunk - blocks()) * PANELS_N * width;
      long end = Math.min(columns, first + (long) PANELS_N * width);
      for (long j = first; j < end; j += width) {
        long to = packedB + 8 * j * depth;
        panel(b + j * bStep, bStep, bRow, Math.min(width, columns - j), width, to);
      }
    }

    /**
     * Packs {@code count} lines of a matrix side by side, {@code across} apart from step to step;
     * missing ones are zero.
     *
     * @param line bytes from a line to the next
     * @param step bytes from an element to the next of its line
     */
    private void panel(long from, long line, long step, long count, int across, long to) {
      if (count < across) {
        Raw.zero(to, 8L * across * depth);
      }
      for (long t = 0; t < depth; t++) {
        if (line == 8) {
          Raw.copy(from, to, 8 * count);
        } else {
          gather(from, line, count, to);
        }
        from += step;
        to += 8L * across;
      }
    }

    private static void gather(long from, long line, long count, long to) {
      for (long i = 0; i < count; i++) {
        Raw.putDouble(to + 8 * i, Raw.getDouble(from + i * line));
      }
    }

    private void multiply(int chunk) {
      MicroKernelF64 now = micro.get();
      long i0 = (long) (chunk % blocks()) * BLOCK_M;
      long j0 = (long) (chunk / blocks()) * PANELS_N * width;
      long i1 = Math.min(rows, i0 + BLOCK_M);
      long j1 = Math.min(columns, j0 + (long) PANELS_N * width);
      try (MemoryPool.Block aside = HostMemory.shared().allocate(8L * ROWS * width)) {
        for (long j = j0; j < j1; j += width) {
          for (long i = i0; i < i1; i += ROWS) {
            long panelA = packedA + 8 * i * depth;
            long panelB = packedB + 8 * j * depth;
            long tile = c + 8 * (i * n + j);
            if (i + ROWS <= i1 && j + width <= j1) {
              now.tile(panelA, panelB, depth, tile, 8 * n, accumulate);
            } else {
              now.tile(panelA, panelB, depth, aside.address(), 8L * width, false);
              keep(aside.address(), tile, Math.min(ROWS, i1 - i), Math.min(width, j1 - j));
            }
          }
        }
      }
    }

    /** Moves the part of a tile that hangs over the edge of C to its place. */
    private void keep(long aside, long tile, long present, long count) {
      for (long i = 0; i < present; i++) {
        for (long j = 0; j < count; j++) {
          long to = tile + 8 * (i * n + j);
          double sum = Raw.getDouble(aside + 8 * (i * width + j));
          Raw.putDouble(to, accumulate ? Raw.getDouble(to) + sum : sum);
        }
      }
    }
  }

  private static long roundUp(long value, long multiple) {
    return (value + multiple - 1) / multiple * multiple;
  }
}
