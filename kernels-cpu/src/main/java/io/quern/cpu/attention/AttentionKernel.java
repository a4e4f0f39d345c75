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
import io.quern.op.Attention;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Raw;
import io.quern.runtime.Spare;
import io.quern.runtime.Workers;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Attention of floats of any strides, without a matrix of all scores (Dao et al., FlashAttention,
 * 2022): a block of queries goes over blocks of keys; maximum, sum and result are corrected when
 * the maximum grows (Milakov, Gimelshein, Online normalizer calculation for softmax, 2018). Keys
 * and values are packed once, for all queries. A chunk is one block of queries of one head, or
 * several when they are small.
 */
public final class AttentionKernel implements Kernel {
  /** Multiply-adds of a chunk, at least. */
  private static final double CHUNK = 1 << 18;

  private static final Twins<AttentionMath> MATH = AttentionMath.twins();
  private static final long SUMS = 4L * AttentionMath.LANES;

  private final AttentionShape shape;
  private final long blocks;
  private final long keyBlocks;
  private final long perChunk;
  private final Spare<Call> calls = new Spare<>(() -> new Call(this));
  private final Spare<Block> spare = new Spare<>(() -> new Block(this));
  private final long columns;
  private final long keyBytes;
  private final long valueBytes;

  private AttentionKernel(AttentionShape shape) {
    this.shape = shape;
    this.blocks = (shape.queries + QUERIES - 1) / QUERIES;
    this.keyBlocks = (shape.keys + KEYS - 1) / KEYS;
    this.columns = roundUp(shape.valueSize, Panels.WIDTH);
    this.keyBytes = Panels.bytes(shape.keys, shape.size);
    this.valueBytes = keyBlocks * Panels.bytes(shape.valueSize, KEYS);
    double work =
        (double) Math.min(shape.queries, QUERIES) * shape.keys * (shape.size + shape.valueSize);
    this.perChunk = (long) Math.max(1, Math.ceil(CHUNK / Math.max(1, work)));
  }

  /** The kernel for {@code key}, or null when it is not all F32. */
  public static @Nullable Kernel create(KernelKey key) {
    return key.all(DType.F32)
            && AttentionShape.fits(key)
            && key.op() instanceof Attention(double scale, boolean causal)
        ? new AttentionKernel(new AttentionShape(key, 3, scale, causal))
        : null;
  }

  /** One run of the kernel, and where its packed keys and values are. */
  private static final class Call {
    private final AttentionKernel kernel;
    private @Nullable Operands operands;
    private long keys;
    private long values;

    Call(AttentionKernel kernel) {
      this.kernel = kernel;
    }

    long address(int operand) {
      return Objects.requireNonNull(operands).address(operand);
    }

    long output() {
      return address(Objects.requireNonNull(operands).count() - 1);
    }
  }

  @Override
  public void run(Operands operands) {
    long units = shape.heads.size() * blocks;
    if (units == 0 || shape.valueSize == 0) {
      return;
    }
    long toValues = roundUp(shape.keyHeads * keyBytes, HostMemory.ALIGNMENT);
    MemoryPool.Block packed = HostMemory.shared().allocate(toValues + shape.keyHeads * valueBytes);
    Call call = calls.take();
    try {
      call.operands = operands;
      call.keys = packed.address();
      call.values = call.keys + toValues;
      Workers.shared()
          .run(AttentionKernel::pack, call, Math.toIntExact(shape.keyHeads * keyBlocks));
      Workers.shared()
          .run(AttentionKernel::chunk, call, Math.toIntExact((units + perChunk - 1) / perChunk));
    } finally {
      call.operands = null;
      calls.give(call);
      HostMemory.shared().free(packed);
    }
  }

  /** Packs a block of keys, transposed, and of values. */
  private static void pack(Call call, int chunk) {
    AttentionKernel kernel = call.kernel;
    AttentionShape shape = kernel.shape;
    long head = chunk / kernel.keyBlocks;
    long block = chunk - head * kernel.keyBlocks;
    long first = block * KEYS;
    long count = Math.min(KEYS, shape.keys - first);
    Panels.pack(
        call.address(1) + shape.head(1, head) + first * shape.row(1),
        shape.step(1),
        shape.row(1),
        count,
        shape.size,
        call.keys + head * kernel.keyBytes + 4 * first * shape.size);
    long panel = 4L * Panels.WIDTH * KEYS;
    long from = call.address(2) + shape.head(2, head) + first * shape.row(2);
    long to = call.values + head * kernel.valueBytes + block * kernel.columns * 4 * KEYS;
    for (long j = 0; j < shape.valueSize; j += Panels.WIDTH) {
      Panels.pack(
          from + j * shape.step(2),
          shape.row(2),
          shape.step(2),
          Math.min(Panels.WIDTH, shape.valueSize - j),
          count,
          to);
      to += panel;
    }
  }

  private static void chunk(Call call, int chunk) {
    AttentionKernel kernel = call.kernel;
    AttentionShape shape = kernel.shape;
    long units = shape.heads.size() * kernel.blocks;
    long packed = 4 * roundUp((long) QUERIES * shape.size, AttentionMath.LANES);
    long result = 4 * QUERIES * kernel.columns;
    long depth = Math.max(shape.size, KEYS);
    MemoryPool.Block scratch =
        HostMemory.shared()
            .allocate(
                packed
                    + QUERIES * (ROW + SUMS + AttentionMath.MAXIMUM)
                    + result
                    + Panels.tableBytes(depth));
    Block block = kernel.spare.take();
    try {
      long end = Math.min(units, (chunk + 1) * kernel.perChunk);
      long tables =
          scratch.address() + packed + QUERIES * (ROW + SUMS + AttentionMath.MAXIMUM) + result;
      block.open(call, scratch.address(), tables);
      for (long unit = chunk * kernel.perChunk; unit < end; unit++) {
        block.run(unit / kernel.blocks, unit % kernel.blocks * QUERIES);
      }
    } finally {
      kernel.spare.give(block);
      HostMemory.shared().free(scratch);
    }
  }

  /** A block of queries of one head on its way over the keys. */
  private static final class Block {
    private final AttentionKernel kernel;
    private final AttentionShape shape;
    private final Panels panels;
    private Call call;
    private long head;
    private long first;
    private int count;
    private long packed;
    private long scores;
    private long sums;
    private long maxima;
    private long result;

    Block(AttentionKernel kernel) {
      this.kernel = kernel;
      this.shape = kernel.shape;
      this.panels = new Panels(Math.max(shape.size, KEYS));
      this.call = new Call(kernel);
    }

    void open(Call run, long scratch, long tables) {
      call = run;
      scores = scratch;
      sums = scores + QUERIES * ROW;
      maxima = sums + QUERIES * SUMS;
      result = maxima + AttentionMath.MAXIMUM * QUERIES;
      packed = result + 4 * QUERIES * kernel.columns;
      panels.prepare(tables);
    }

    void run(long ofHead, long from) {
      head = ofHead;
      first = from;
      count = (int) Math.min(QUERIES, shape.queries - first);
      start();
      long visible = shape.visible(first + count);
      for (long key = 0; key < visible; key += KEYS) {
        keys(key, Math.min(KEYS, shape.keys - key));
      }
      long to = call.output() + 4 * (head * shape.queries + first) * shape.valueSize;
      MATH.get().divide(result, 4 * kernel.columns, sums, count, shape.valueSize, to);
    }

    private void start() {
      long from = call.address(0) + shape.head(0, head) + first * shape.row(0);
      Packing.packA(from, shape.row(0), shape.step(0), count, shape.size, packed);
      long length = roundUp(count, MicroKernel.ROWS) * shape.size;
      MATH.get().scale(packed, shape.scale, roundUp(length, AttentionMath.LANES));
      Raw.zero(sums, count * SUMS);
      for (int i = 0; i < count; i++) {
        Raw.putFloat(maxima + i * AttentionMath.MAXIMUM, Float.NEGATIVE_INFINITY);
      }
    }

    /** Scores, weights and values of a block of keys. */
    private void keys(long key, long keys) {
      long keyHead = head / shape.group;
      panels.multiply(
          panels.packed(packed, shape.size, count),
          call.keys + keyHead * kernel.keyBytes + 4 * key * shape.size,
          4L * Panels.WIDTH * shape.size,
          keys,
          shape.size,
          scores,
          ROW,
          false);
      AttentionShape.fillUp(scores, count, keys);
      long mask = shape.maskOf(call.address(shape.maskOperand()), head);
      boolean plain = shape.isPlain();
      for (int i = 0; i < count && !plain; i++) {
        shape.finish(MATH.get(), mask, first + i, key, keys, scores + i * ROW);
      }
      MATH.get()
          .toWeights(
              scores,
              count,
              keys,
              plain ? shape.maskAt(mask, first, key) : 0,
              plain ? shape.maskRow() : 0,
              maxima,
              sums,
              key > 0 ? result : 0,
              4 * kernel.columns);
      panels.multiply(
          panels.scores(scores, count),
          call.values + keyHead * kernel.valueBytes + key * kernel.columns * 4,
          4L * Panels.WIDTH * KEYS,
          shape.valueSize,
          keys,
          result,
          4 * kernel.columns,
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
    return "attention_f32_flash";
  }
}
