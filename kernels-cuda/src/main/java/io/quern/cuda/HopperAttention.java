package io.quern.cuda;

import io.quern.DType;
import io.quern.Shape;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.gpu.AlignedKernel;
import io.quern.gpu.GpuContext;
import io.quern.gpu.Grid;
import io.quern.gpu.LaterKernel;
import io.quern.gpu.Launch;
import io.quern.gpu.LaunchKernel;
import io.quern.gpu.Parameters;
import io.quern.op.Attention;
import io.quern.op.AttentionGrad;
import io.quern.op.Layout;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Attention of 16-bit floats and its gradients on the tensor cores of compute capability 9.0, by
 * {@code attention_hopper.cu} and {@code attention_grad_hopper.cu}.
 */
final class HopperAttention {
  private static final String FILE = "attention_hopper";
  private static final String GRAD_FILE = "attention_grad_hopper";
  private static final int CAPABILITY = 90;

  /** Elements of a row of a tile, 128 bytes, and what rows are filled up to. */
  private static final int PART = 64;

  private static final int WIDEST = 128;

  /** Queries or keys of a block. */
  private static final int ROWS = 128;

  /** Queries of a block where rows are short. */
  private static final int MORE_ROWS = 192;

  /** Keys of a tile. */
  private static final int TILE = 128;

  /** Queries of a tile, for the gradients of keys. */
  private static final int GRAD_TILE = 64;

  /** Tiles of one kind in shared memory, and bytes by which its begin may be off. */
  private static final int STAGES = 2;

  private static final int ALIGNMENT = 1024;

  /** Threads that copy tiles, and those for each row of a block. */
  private static final int COPYING = 128;

  private static final int THREADS_OF_ROW = 2;

  /** Threads of a block that multiplies outputs, and elements that each of them has. */
  private static final int OUTPUT_THREADS = 128;

  private static final int OUTPUT_RUN = 8;

  /** What the kernels multiply scores by is the scale times this. */
  private static final float LOG2_E = 0x1.715476p0f;

  /** Numbers that are kept of each query: see the source. */
  private static final int STATISTICS = 3;

  /** Keys from which on the begin of a block is short beside its work. */
  private static final long LONG = 1024;

  /** Queries up to which tiles are mostly empty. */
  private static final int FEWEST = 8;

  /** Bytes of tiles that stay in the cache while blocks go along them. */
  private static final long SECTION = 16L << 20;

  private final GpuContext context;
  private final JCudaGpu gpu;
  private final KernelKey key;
  private final double scale;
  private final boolean causal;

  /** Operand number of the mask, or one past the inputs. */
  private final int mask;

  private final long batch;
  private final long heads;
  private final long queries;
  private final long keys;

  /** Heads of queries for each one of keys. */
  private final long group;

  private final int width;

  private HopperAttention(
      GpuContext context, JCudaGpu gpu, KernelKey key, double scale, boolean causal, int mask) {
    this.context = context;
    this.gpu = gpu;
    this.key = key;
    this.scale = scale;
    this.causal = causal;
    this.mask = mask;
    Shape q = key.shape(0);
    this.batch = q.rank() == 4 ? q.dim(0) : 1;
    this.heads = q.dim(-3);
    this.queries = q.dim(-2);
    this.keys = key.shape(1).dim(-2);
    this.group = heads / Math.max(1, key.shape(1).dim(-3));
    this.width = Math.max(size(0), size(2)) <= PART ? PART : WIDEST;
  }

  static @Nullable Kernel forward(GpuContext context, JCudaGpu gpu, KernelKey key) {
    Attention op = (Attention) key.op();
    HopperAttention attention = new HopperAttention(context, gpu, key, op.scale(), op.causal(), 3);
    return attention.isCovered(0, 1, 2, key.inputs())
        ? attention.aligned(attention.forward())
        : null;
  }

  static @Nullable Kernel gradient(GpuContext context, JCudaGpu gpu, KernelKey key) {
    AttentionGrad op = (AttentionGrad) key.op();
    HopperAttention attention = new HopperAttention(context, gpu, key, op.scale(), op.causal(), 5);
    int out = key.inputs();
    // F16 does not hold gradients of scores that are yet to be divided.
    return key.all(DType.BF16) && attention.isCovered(0, 1, 2, 3, 4, out, out + 1, out + 2)
        ? attention.aligned(attention.gradient())
        : null;
  }

  /** Other kernels are not made, and compiled by the driver, before some operand needs them. */
  private Kernel aligned(Kernel kernel) {
    return new AlignedKernel(kernel, new LaterKernel(() -> context.widened(key).orElseThrow()));
  }

  private boolean isCovered(int... operands) {
    boolean covered =
        (key.all(DType.BF16) || key.all(DType.F16))
            && gpu.capability() == CAPABILITY
            && key.shape(0).rank() <= 4
            && queries > FEWEST
            && (float) scale * LOG2_E >= Float.MIN_NORMAL
            && Float.isFinite((float) scale * LOG2_E)
            && Math.max(size(0), size(2)) <= WIDEST;
    for (int operand : operands) {
      covered = covered && isMap(operand);
    }
    return covered;
  }

  private int size(int operand) {
    return Math.toIntExact(key.shape(operand).dim(-1));
  }

  /** Whether there are rows, which are whole, and lines are multiples of 16 bytes apart. */
  private boolean isMap(int operand) {
    Layout layout = key.layout(operand);
    boolean map = layout.shape().size() > 0 && layout.stride(-1) == 1 && size(operand) % 8 == 0;
    for (int axis = 0; axis < layout.rank() - 1; axis++) {
      boolean moves = layout.shape().dim(axis) > 1;
      map &= !moves || (layout.stride(axis) > 0 && layout.stride(axis) % 8 == 0);
    }
    return map;
  }

  private Kernel forward() {
    int rows = width == PART ? MORE_ROWS : ROWS;
    Parameters parameters = new Parameters();
    map(parameters, key.inputs(), PART);
    map(parameters, 0, rows);
    map(parameters, 1, TILE);
    map(parameters, 2, TILE);
    rules(parameters, section(keys, 1));
    long blocks = Math.ceilDiv(queries, rows) * heads * batch;
    // With causality blocks have unequal work, which the device hands out as they end.
    boolean handedOut = causal && keys >= LONG;
    long atOnce = handedOut ? blocks : Math.min(blocks, gpu.multiprocessors());
    int shared = 2 * width * (2 * rows + 2 * STAGES * TILE) + ALIGNMENT;
    String name = name("attention");
    Launch launch = launch(FILE, name, atOnce, rows, shared, parameters);
    return new LaunchKernel(context, name, launch);
  }

  /** Gradients times outputs, then what follows from them by queries, and by keys. */
  private Kernel gradient() {
    int out = key.inputs();
    int statistics = key.operands();
    long places = Math.ceilDiv(queries, ROWS) * ROWS * heads * batch;
    Parameters first = new Parameters().operand(statistics).operand(3).operand(4).number(size(2));
    Layout output = key.layout(3);
    Layout gradient = key.layout(4);
    first.struct(
        batchStride(output),
        output.stride(-3),
        output.stride(-2),
        batchStride(gradient),
        gradient.stride(-3),
        gradient.stride(-2));
    first.struct(sizes(1));
    Parameters second = new Parameters();
    map(second, out, PART);
    map(second, 0, ROWS);
    map(second, 1, TILE);
    map(second, 2, TILE);
    map(second, 4, ROWS);
    rules(second.operand(statistics), section(keys, 1));
    Parameters third = new Parameters();
    map(third, out + 1, PART);
    map(third, out + 2, PART);
    map(third, 0, GRAD_TILE);
    map(third, 1, ROWS);
    map(third, 2, ROWS);
    map(third, 4, GRAD_TILE);
    rules(third.operand(statistics), section(queries, group));
    String byQuery = name("attention_query_grad");
    String byKey = name("attention_key_grad");
    String outputs = "attention_means_" + width + "_" + dtype();
    Grid grid = Grid.of(places * width / OUTPUT_RUN / OUTPUT_THREADS, OUTPUT_THREADS);
    int kept = 2 * width * 2 * ROWS + ALIGNMENT;
    int forQueries = kept + 2 * width * 2 * STAGES * TILE;
    int forKeys = kept + (2 * 2 * width + STATISTICS * 4) * STAGES * GRAD_TILE;
    return new LaunchKernel(
        context,
        name("attention_grad"),
        STATISTICS * 4 * places,
        Launch.of(context, GRAD_FILE, outputs, grid, first),
        launch(GRAD_FILE, byQuery, places / ROWS, ROWS, forQueries, second),
        launch(
            GRAD_FILE,
            byKey,
            Math.ceilDiv(keys, ROWS) * (heads / group) * batch,
            ROWS,
            forKeys,
            third));
  }

  private Launch launch(
      String file, String name, long blocks, int rows, int shared, Parameters parameters) {
    int threads = COPYING + THREADS_OF_ROW * rows;
    Grid grid = new Grid(Math.toIntExact(blocks), 1, 1, threads, shared);
    return Launch.of(context, file, name, grid, parameters);
  }

  private String name(String op) {
    return op + "_" + width + (isMasked() ? "_masked_" : "_") + dtype();
  }

  private String dtype() {
    return key.dtype(0).name().toLowerCase(Locale.ROOT);
  }

  private boolean isMasked() {
    return mask < key.inputs();
  }

  /** Heads that blocks near in time share, of two operands with so many rows. */
  private long section(long rows, long of) {
    return Math.max(1, SECTION / (rows * 4 * width * of));
  }

  private void rules(Parameters parameters, long section) {
    if (isMasked()) {
      parameters.operand(mask);
    } else {
      parameters.address(0);
    }
    parameters.number((float) scale).struct(sizes(section));
  }

  private long[] sizes(long section) {
    Layout scores =
        isMasked() ? key.layout(mask).expand(key.shape(0).with(-1, keys)) : key.layout(0);
    return new long[] {
      queries,
      keys,
      heads,
      batch,
      group,
      section,
      causal ? 1 : 0,
      batchStride(scores),
      scores.stride(-3),
      scores.stride(-2),
      scores.stride(-1)
    };
  }

  private static long batchStride(Layout layout) {
    return layout.rank() == 4 ? layout.stride(0) : 0;
  }

  private void map(Parameters parameters, int operand, int tileRows) {
    Layout layout = key.layout(operand);
    Shape shape = layout.shape();
    boolean batched = shape.rank() == 4;
    long row = stride(layout, -2, size(operand));
    long head = stride(layout, -3, row * shape.dim(-2));
    TileMap map =
        new TileMap(
            key.dtype(0) == DType.BF16,
            size(operand),
            shape.dim(-2),
            shape.dim(-3),
            batched ? shape.dim(0) : 1,
            2 * row,
            2 * head,
            2 * (batched ? stride(layout, 0, head * shape.dim(-3)) : head * shape.dim(-3)),
            PART,
            tileRows);
    parameters.late(operand, TileMap.WORDS, (matrices, to) -> gpu.encode(map, matrices, to));
  }

  /** The stride of an axis; one with a single element is as if more followed. */
  private static long stride(Layout layout, int axis, long single) {
    int at = axis < 0 ? layout.rank() + axis : axis;
    return layout.shape().dim(at) > 1 ? layout.stride(at) : single;
  }
}
