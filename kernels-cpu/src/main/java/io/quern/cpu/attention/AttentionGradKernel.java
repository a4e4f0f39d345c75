package io.quern.cpu.attention;

import static io.quern.cpu.attention.AttentionShape.KEYS;
import static io.quern.cpu.attention.AttentionShape.QUERIES;
import static io.quern.cpu.attention.AttentionShape.ROW;
import static io.quern.cpu.attention.AttentionShape.roundUp;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.cpu.Twins;
import io.quern.cpu.gemm.MicroKernel;
import io.quern.cpu.gemm.Packing;
import io.quern.cpu.math.ScalarMath;
import io.quern.cpu.reduce.RunReduce;
import io.quern.op.AttentionGrad;
import io.quern.op.Reduce;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;
import org.jspecify.annotations.Nullable;

/**
 * Gradients of attention of floats of any strides, without a matrix of all weights (Dao et al.,
 * FlashAttention, 2022): a block of queries first finds its maxima and sums, then computes the
 * weights once more, block by block of keys. A chunk is one head of keys with the heads of queries
 * that meet it, so that no two chunks add to the same gradient.
 */
public final class AttentionGradKernel implements Kernel {
  private static final Twins<AttentionMath> MATH = AttentionMath.twins();
  private static final RunReduce SUM = RunReduce.of(Reduce.Fn.SUM);
  private static final long SUMS = 4L * AttentionMath.LANES;
  private static final long PANEL = 4L * Panels.WIDTH;

  private final AttentionShape shape;
  private final int outputs;

  private AttentionGradKernel(AttentionShape shape, int outputs) {
    this.shape = shape;
    this.outputs = outputs;
  }

  /** The kernel for {@code key}, or null when it is not all F32. */
  public static @Nullable Kernel create(KernelKey key) {
    return key.all(DType.F32)
            && AttentionShape.fits(key)
            && key.op() instanceof AttentionGrad(double scale, boolean causal)
        ? new AttentionGradKernel(new AttentionShape(key, 5, scale, causal), key.inputs())
        : null;
  }

  private record Call(AttentionGradKernel kernel, Operands operands) {}

  @Override
  public void run(Operands operands) {
    Workers.shared()
        .run(AttentionGradKernel::chunk, new Call(this, operands), Math.toIntExact(shape.keyHeads));
  }

  private static void chunk(Call call, int chunk) {
    AttentionGradKernel kernel = call.kernel;
    long bytes = new Head(kernel, call.operands, chunk, 0).end;
    MemoryPool.Block memory = HostMemory.shared().allocate(bytes);
    try {
      new Head(kernel, call.operands, chunk, memory.address()).run();
    } finally {
      HostMemory.shared().free(memory);
    }
  }

  /** One head of keys with all heads of queries that meet it. */
  private static final class Head {
    private final AttentionShape shape;
    private final Operands operands;
    private final int outputs;
    private final long head;
    private final int size;
    private final int valueSize;

    /** Bytes of a row of q, k and their gradients, padded to whole panels. */
    private final long sizeRow;

    /** Bytes of a row of v, the output and their gradients, padded to whole panels. */
    private final long valueRow;

    private final long scores;
    private final long products;
    private final long sums;
    private final long statistics;
    private final long keyColumns;
    private final long valueColumns;
    private final long keyRows;
    private final long keyGradient;
    private final long valueGradient;
    private final long packedQuery;
    private final long queryRows;
    private final long packedGradient;
    private final long gradientRows;
    private final long queryGradient;
    private final Panels panels;
    private final long tables;
    private final long end;

    // The block of queries at work.
    private long member;
    private long first;
    private int count;

    /** Lays out the memory from {@code at} on. */
    Head(AttentionGradKernel kernel, Operands operands, long head, long at) {
      this.shape = kernel.shape;
      this.operands = operands;
      this.outputs = kernel.outputs;
      this.head = head;
      this.size = shape.size;
      this.valueSize = shape.valueSize;
      this.sizeRow = Panels.bytes(size, 1);
      this.valueRow = Panels.bytes(valueSize, 1);
      long blocks = (shape.keys + KEYS - 1) / KEYS;
      this.scores = at;
      this.products = scores + QUERIES * ROW;
      this.sums = products + QUERIES * ROW;
      this.statistics = sums + QUERIES * SUMS;
      this.keyGradient = statistics + 12 * QUERIES + 64;
      this.valueGradient = keyGradient + blocks * KEYS * sizeRow;
      this.queryGradient = valueGradient + blocks * KEYS * valueRow;
      this.queryRows = queryGradient + QUERIES * sizeRow;
      this.gradientRows = queryRows + QUERIES * sizeRow;
      this.packedQuery = gradientRows + QUERIES * valueRow;
      this.packedGradient = packedQuery + 4 * roundUp((long) QUERIES * size, AttentionMath.LANES);
      this.keyColumns = packedGradient + 4L * QUERIES * valueSize;
      this.valueColumns = keyColumns + Panels.bytes(shape.keys, size);
      this.keyRows = valueColumns + Panels.bytes(shape.keys, valueSize);
      this.tables = keyRows + blocks * KEYS * sizeRow;
      long depth = Math.max(Math.max(KEYS, QUERIES), Math.max(size, valueSize));
      this.panels = new Panels(depth);
      this.end = tables + Panels.tableBytes(depth);
    }

    void run() {
      panels.prepare(tables);
      packKeys();
      Raw.zero(keyGradient, queryGradient - keyGradient);
      for (member = head * shape.group; member < (head + 1) * shape.group; member++) {
        for (first = 0; first < shape.queries; first += QUERIES) {
          count = (int) Math.min(QUERIES, shape.queries - first);
          queries();
        }
      }
      write(keyGradient, sizeRow, shape.keys, size, 1, head * shape.keys);
      write(valueGradient, valueRow, shape.keys, valueSize, 2, head * shape.keys);
    }

    private void write(long from, long row, long rows, int columns, int output, long at) {
      long to = operands.address(outputs + output) + 4 * at * columns;
      for (long i = 0; i < rows; i++) {
        Raw.copy(from + i * row, to + 4 * i * columns, 4L * columns);
      }
    }

    private void packKeys() {
      long k = operands.address(1) + shape.head(1, head);
      long v = operands.address(2) + shape.head(2, head);
      Panels.pack(k, shape.step(1), shape.row(1), shape.keys, size, keyColumns);
      Panels.pack(v, shape.step(2), shape.row(2), shape.keys, valueSize, valueColumns);
      for (long key = 0; key < shape.keys; key += KEYS) {
        Panels.pack(
            k + key * shape.row(1),
            shape.row(1),
            shape.step(1),
            size,
            Math.min(KEYS, shape.keys - key),
            keyRows + key * sizeRow);
      }
    }

    private void queries() {
      packQueries();
      long visible = shape.visible(first + count);
      for (long key = 0; key < visible; key += KEYS) {
        scores(key, Math.min(KEYS, shape.keys - key));
        observe(key);
      }
      for (int i = 0; i < count; i++) {
        float sum = SUM.foldLanes(sums + i * SUMS);
        Raw.putFloat(statistic(1, i), sum == 0 ? 0 : 1 / sum);
      }
      for (long key = 0; key < visible; key += KEYS) {
        long keys = Math.min(KEYS, shape.keys - key);
        if (visible > KEYS) {
          scores(key, keys);
        }
        weights(key, keys, visible <= KEYS);
        multiply(key, keys);
      }
      for (int i = 0; i < count; i++) {
        MATH.get().scale(queryGradient + i * sizeRow, shape.scale, sizeRow / 4);
      }
      write(queryGradient, sizeRow, count, size, 0, member * shape.queries + first);
    }

    /** Address of a query's maximum (0), the inverse of its sum (1) or its mean gradient (2). */
    private long statistic(int kind, int query) {
      return statistics + 4L * (kind * QUERIES + query);
    }

    private void packQueries() {
      long q = operands.address(0) + shape.head(0, member) + first * shape.row(0);
      long output = operands.address(3) + shape.head(3, member) + first * shape.row(3);
      long gradient = operands.address(4) + shape.head(4, member) + first * shape.row(4);
      Packing.packA(q, shape.row(0), shape.step(0), count, size, packedQuery);
      MATH.get()
          .scale(
              packedQuery,
              shape.scale,
              roundUp(roundUp(count, MicroKernel.ROWS) * size, AttentionMath.LANES));
      Panels.pack(q, shape.row(0), shape.step(0), size, count, queryRows);
      MATH.get().scale(queryRows, shape.scale, count * sizeRow / 4);
      Packing.packA(gradient, shape.row(4), shape.step(4), count, valueSize, packedGradient);
      Panels.pack(gradient, shape.row(4), shape.step(4), valueSize, count, gradientRows);
      Raw.zero(sums, count * SUMS);
      for (int i = 0; i < count; i++) {
        Raw.putFloat(statistic(0, i), Float.NEGATIVE_INFINITY);
        float mean = 0;
        for (int t = 0; t < valueSize; t++) {
          mean =
              Math.fma(
                  Raw.getFloat(gradient + i * shape.row(4) + t * shape.step(4)),
                  Raw.getFloat(output + i * shape.row(3) + t * shape.step(3)),
                  mean);
        }
        Raw.putFloat(statistic(2, i), mean);
      }
    }

    /** The scores of a block of keys, hidden ones -infinity. */
    private void scores(long key, long keys) {
      panels.multiply(
          panels.packed(packedQuery, size, count),
          keyColumns + 4 * key * size,
          PANEL * size,
          keys,
          size,
          scores,
          ROW,
          false);
      AttentionShape.fillUp(scores, count, keys);
      long mask = shape.maskOf(operands.address(shape.maskOperand()), member);
      for (int i = 0; i < count; i++) {
        shape.finish(MATH.get(), mask, first + i, key, keys, scores + i * ROW);
      }
    }

    private long length(long key) {
      return roundUp(Math.min(KEYS, shape.keys - key), AttentionMath.LANES);
    }

    /** Adds a block of scores, which are overwritten, to maxima and sums. */
    private void observe(long key) {
      for (int i = 0; i < count; i++) {
        float before = Raw.getFloat(statistic(0, i));
        float max = Math.max(before, MATH.get().max(scores + i * ROW, length(key)));
        float shift = shift(max);
        Raw.putFloat(statistic(0, i), max);
        MATH.get()
            .expSum(
                scores + i * ROW,
                shift,
                length(key),
                sums + i * SUMS,
                ScalarMath.exp(before - shift));
      }
    }

    private static float shift(float max) {
      return max == Float.NEGATIVE_INFINITY ? 0 : max;
    }

    /** Weights in place of scores, and the gradients of the scores. */
    private void weights(long key, long keys, boolean observed) {
      panels.multiply(
          panels.packed(packedGradient, valueSize, count),
          valueColumns + 4 * key * valueSize,
          PANEL * valueSize,
          keys,
          valueSize,
          products,
          ROW,
          false);
      for (int i = 0; i < count; i++) {
        long row = scores + i * ROW;
        float inverse = Raw.getFloat(statistic(1, i));
        if (observed) {
          MATH.get().scale(row, inverse, length(key));
        } else {
          MATH.get().weights(row, shift(Raw.getFloat(statistic(0, i))), inverse, length(key));
        }
        float mean = Raw.getFloat(statistic(2, i));
        MATH.get().scoreGradient(row, mean, length(key), products + i * ROW);
      }
    }

    /** Adds what a block of keys has to do with the gradients. */
    private void multiply(long key, long keys) {
      panels.multiply(
          panels.transposed(scores, keys),
          gradientRows,
          PANEL * count,
          valueSize,
          count,
          valueGradient + key * valueRow,
          valueRow,
          true);
      panels.multiply(
          panels.transposed(products, keys),
          queryRows,
          PANEL * count,
          size,
          count,
          keyGradient + key * sizeRow,
          sizeRow,
          true);
      panels.multiply(
          panels.scores(products, count),
          keyRows + key * sizeRow,
          PANEL * keys,
          size,
          keys,
          queryGradient,
          sizeRow,
          key > 0);
    }
  }

  @Override
  public boolean warmUp() {
    boolean productsAreFast = MicroKernel.chosen().warmUp();
    return MATH.await() && productsAreFast;
  }

  @Override
  public String name() {
    return "attention_grad_f32_flash";
  }
}
