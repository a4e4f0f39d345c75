package io.quern.gpu;

import io.quern.DType;
import io.quern.Shape;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.op.Attention;
import io.quern.op.AttentionGrad;
import io.quern.op.Layout;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Attention and its gradients by {@code attention.cu}, for operands of any strides. */
final class AttentionKernels {
  private static final String FILE = "attention";
  private static final int THREADS = 128;

  /** The most values of a row. */
  private static final int WIDEST = 128;

  private static final int NARROW = 64;

  /** Queries of a block, and of one where there are few. */
  private static final int QUERIES = 128;

  private static final int FEW = 16;

  /** Blocks below which smaller ones are faster. */
  private static final long BLOCKS = 128;

  /** Rows of a block for gradients, on tensor cores too. */
  private static final int GRAD_ROWS = 64;

  /** Rows of a block on tensor cores, and of the tiles that it walks along. */
  private static final int MMA_ROWS = 64;

  private static final int MMA_STEP = 32;

  /** Queries that tensor cores are not worth it for. */
  private static final int FEWEST = 8;

  /** Keys that a block takes at once. */
  private static final int KEYS = 64;

  /** Keys that are worth a block of their own, where there are few queries. */
  private static final int PART = 128;

  private final GpuContext context;
  private final KernelKey key;
  private final float scale;
  private final boolean causal;

  /** Operand number of the mask, or one past the inputs. */
  private final int mask;

  private final long queries;
  private final long keys;
  private final long size;
  private final long valueSize;

  private AttentionKernels(
      GpuContext context, KernelKey key, double scale, boolean causal, int mask) {
    this.context = context;
    this.key = key;
    this.scale = (float) scale;
    this.causal = causal;
    this.mask = mask;
    this.queries = key.shape(0).dim(-2);
    this.keys = key.shape(1).dim(-2);
    this.size = key.shape(0).dim(-1);
    this.valueSize = key.shape(2).dim(-1);
  }

  static @Nullable Kernel forward(GpuContext context, KernelKey key) {
    Attention op = (Attention) key.op();
    AttentionKernels attention = new AttentionKernels(context, key, op.scale(), op.causal(), 3);
    if (!key.all(DType.F32) || attention.valueSize > WIDEST) {
      return null;
    }
    return attention.heads(0, 1, 2, 3).map(attention::forward).orElse(null);
  }

  private Kernel forward(Walk heads) {
    int width = width(Math.max(size, valueSize));
    String mma = "attention_mma_" + width + "_f32";
    if (queries > FEWEST && size <= WIDEST && context.function(FILE, mma) != 0) {
      long blocks = blocks(queries, MMA_ROWS) * heads.count();
      return forward(heads, mma, blocks, blocks < BLOCKS, mmaShared(width, 1));
    }
    boolean few = queries <= FEW || blocks(queries, QUERIES) * heads.count() < BLOCKS;
    int tile = few ? FEW : QUERIES;
    String name = "attention_" + tile + "x" + width(valueSize) + "_f32";
    return forward(heads, name, blocks(queries, tile) * heads.count(), few, 0);
  }

  /** A kernel of so many blocks, or more where keys are split. */
  private Kernel forward(Walk heads, String name, long blocks, boolean split, int shared) {
    long rows = heads.count() * queries;
    long partLength = Math.ceilDiv(keys, Math.max(1, BLOCKS * 4 / Math.max(1, blocks)));
    partLength = Math.max(PART, Math.ceilDiv(partLength, KEYS) * KEYS);
    long parts = split ? Math.ceilDiv(keys, partLength) : 1;
    int to = parts == 1 ? key.inputs() : key.operands();
    Parameters parameters = new Parameters().operand(to).operand(0).operand(1).operand(2);
    mask(parameters).number(scale).struct(parts, parts == 1 ? keys : partLength);
    parameters.struct(sizes()).struct(heads.words());
    Launch launch = launch(name, blocks * parts, shared, parameters);
    if (parts == 1) {
      return new LaunchKernel(context, name, launch);
    }
    Parameters join = new Parameters().operand(key.inputs()).operand(to);
    join.number(rows).number(parts).number(valueSize);
    return new LaunchKernel(
        context,
        name + "_parts",
        4 * rows * parts * (valueSize + 2),
        launch,
        launch("attention_join_f32", rows, 0, join));
  }

  static @Nullable Kernel gradient(GpuContext context, KernelKey key) {
    AttentionGrad op = (AttentionGrad) key.op();
    AttentionKernels attention = new AttentionKernels(context, key, op.scale(), op.causal(), 5);
    if (!key.all(DType.F32) || Math.max(attention.size, attention.valueSize) > WIDEST) {
      return null;
    }
    Optional<Walk> heads = attention.heads(0, 1, 2, 5);
    Optional<Walk> outputHeads = attention.heads(3, 4);
    return heads.isPresent() && outputHeads.isPresent()
        ? attention.gradient(heads.get(), outputHeads.get())
        : null;
  }

  /**
   * The first pass finds what the weights need, the others the gradients by queries and keys. On
   * tensor cores the first two are one.
   */
  private Kernel gradient(Walk heads, Walk outputHeads) {
    int out = key.inputs();
    int statistics = key.operands();
    int width = width(Math.max(size, valueSize));
    long group = key.shape(0).dim(-3) / key.shape(1).dim(-3);
    long byQueries = blocks(queries, GRAD_ROWS) * heads.count();
    long byKeys = blocks(keys, GRAD_ROWS) * (heads.count() / group);
    Parameters first = new Parameters().operand(statistics);
    Parameters second = new Parameters().operand(out).operand(statistics);
    Parameters third =
        new Parameters().operand(out + 1).operand(out + 2).number(group).operand(statistics);
    for (Parameters each : List.of(first, second, third)) {
      each.operand(0).operand(1).operand(2).operand(3).operand(4);
      mask(each).number(scale).struct(sizes()).struct(outputs());
      each.struct(heads.words()).struct(outputHeads.words());
    }
    long scratch = 3 * 4 * heads.count() * queries;
    String mma = "attention_mma_query_grad_" + width + "_f32";
    if (context.function(FILE, mma) != 0) {
      String byKey = "attention_mma_key_grad_" + width + "_f32";
      int shared = mmaShared(width, 2);
      return new LaunchKernel(
          context,
          "attention_mma_grad_" + width + "_f32",
          scratch,
          launch(mma, byQueries, shared, second),
          launch(byKey, byKeys, shared + 3 * 4 * MMA_STEP, third));
    }
    return new LaunchKernel(
        context,
        "attention_grad_" + width + "_f32",
        scratch,
        launch("attention_statistics_f32", byQueries, 0, first),
        launch("attention_query_grad_" + width + "_f32", byQueries, 0, second),
        launch("attention_key_grad_" + width + "_f32", byKeys, 0, third));
  }

  private Launch launch(String name, long blocks, int shared, Parameters parameters) {
    Grid grid = new Grid(Math.toIntExact(blocks), 1, 1, THREADS, shared);
    return Launch.of(context, FILE, name, grid, parameters);
  }

  /** Columns that kernels have for rows of so many values. */
  private static int width(long size) {
    return size <= NARROW ? NARROW : WIDEST;
  }

  /** Bytes of two tiles, and of as many as a block keeps. */
  private static int mmaShared(int width, int kept) {
    return 4 * width * (kept * MMA_ROWS + 2 * MMA_STEP);
  }

  private boolean isMasked() {
    return mask < key.inputs();
  }

  private Parameters mask(Parameters parameters) {
    return isMasked() ? parameters.operand(mask) : parameters.address(0);
  }

  /** The mask of all scores. */
  private Layout masks() {
    return key.layout(mask).expand(key.shape(0).with(-1, keys));
  }

  private static long blocks(long rows, int tile) {
    return Math.ceilDiv(rows, tile);
  }

  /** How the heads of queries run over operands, of which keys and values have fewer heads. */
  private Optional<Walk> heads(int... operands) {
    int rank = key.shape(0).rank();
    Shape keyHeads = key.shape(1).slice(0, rank - 2);
    long group = key.shape(0).dim(-3) / keyHeads.dim(-1);
    Shape grouped = keyHeads.concat(Shape.of(group));
    List<Layout> firsts = new ArrayList<>();
    for (int operand : operands) {
      if (operand == 1 || operand == 2) {
        Shape shared = keyHeads.concat(Shape.of(1));
        firsts.add(split(firsts(key.layout(operand)), shared).expand(grouped));
      } else if (operand != mask) {
        firsts.add(split(firsts(key.layout(operand)), grouped));
      } else if (isMasked()) {
        firsts.add(split(firsts(masks()), grouped));
      }
    }
    return Walk.over(firsts);
  }

  /** The first elements of the matrices. */
  private static Layout firsts(Layout matrices) {
    int rank = matrices.rank();
    return matrices.slice(rank - 2, 0, 1, 1).slice(rank - 1, 0, 1, 1);
  }

  private static Layout split(Layout firsts, Shape shape) {
    return firsts.reshape(shape).orElseThrow();
  }

  private long[] sizes() {
    Layout q = key.layout(0);
    Layout k = key.layout(1);
    Layout v = key.layout(2);
    Layout scores = isMasked() ? masks() : q;
    return new long[] {
      queries,
      keys,
      size,
      valueSize,
      causal ? 1 : 0,
      q.stride(-2),
      q.stride(-1),
      k.stride(-2),
      k.stride(-1),
      v.stride(-2),
      v.stride(-1),
      scores.stride(-2),
      scores.stride(-1)
    };
  }

  private long[] outputs() {
    Layout output = key.layout(3);
    Layout gradient = key.layout(4);
    return new long[] {
      output.stride(-2), output.stride(-1), gradient.stride(-2), gradient.stride(-1)
    };
  }
}
