package io.quern.gpu;

import io.quern.DType;
import io.quern.Shape;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.op.GroupNorm;
import io.quern.op.LayerNorm;
import io.quern.op.LogSoftmax;
import io.quern.op.NormGrad;
import io.quern.op.RmsNorm;
import io.quern.op.Softmax;
import io.quern.op.SoftmaxGrad;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** Ops on whole rows of contiguous floats by {@code rows.cu}. */
final class RowKernels {
  private static final String FILE = "rows";

  /** Longer rows have indices that do not fit. */
  private static final long MOST_LENGTH = 1L << 30;

  /** Elements that a thread keeps in registers, and of each of two rows. */
  private static final int HELD = 32;

  private static final int HELD_OF_TWO = 16;

  private static final int HELD_OF_FOUR = 8;

  private static final int LEAST_TEAM = 4;

  private static final int MOST_TEAM = 512;

  private static final int MOST_SOFTMAX_TEAM = 1024;

  /** Elements that a thread of a long row works on at a time, and shared memory for its folds. */
  private static final int LONG_RUN = 4;

  private static final int LONG_FOLDS = 512;

  /** Threads of a block that keeps a row in registers, and elements that each of them has. */
  private static final int KEEPERS = 512;

  private static final long KEPT = 100;

  /**
   * Elements of 16 bits that a thread copies to shared memory at once, and rows too short for that.
   */
  private static final int SHARED_RUN = 8;

  private static final int SHARED_LEAST = 64;

  /** Threads of a block of small teams. */
  private static final int THREADS = 128;

  /** Columns of a block that sums rows, and its threads. */
  private static final long COLUMNS = 32;

  private static final int COLUMN_THREADS = 256;

  /** Blocks that fill the largest devices, and the most parts that are folded in the end. */
  private static final long BLOCKS = 1024;

  private static final long MOST_PARTS = 128;

  /** Rows that are worth a part of their own. */
  private static final long PART_ROWS = 32;

  private static final String FUSED = "norm_grad_fused_f32";

  /** Threads for a row that are too few for a block, and the most. */
  private static final int FUSED_LEAST = 64;

  private static final int FUSED_MOST = 256;

  /** Threads that run at once on the largest devices, and rows that are worth a block. */
  private static final long FUSED_THREADS = 768 * 132;

  private static final long FUSED_ROWS = 8;

  /** As fused, with a row for each warp: least and most elements, and blocks that run at once. */
  private static final String WARPS = "norm_grad_warps_f32";

  private static final long WARPS_LEAST = 128;

  private static final long WARPS_MOST = 1024;

  private static final int WARPS_OF_BLOCK = 4;

  private static final long WARPS_BLOCKS = 3 * 132;

  /** Elements by which the place of a row in shared memory grows. */
  private static final long WARPS_SPAN = 256;

  /** Columns of a block that sums the parts of these blocks, and its threads. */
  private static final long PARTS_COLUMNS = 16;

  private static final int PARTS_THREADS = 1024;

  private RowKernels() {}

  static @Nullable Kernel softmax(GpuContext context, KernelKey key) {
    return softmax(context, key, ((Softmax) key.op()).axis(), "softmax");
  }

  static @Nullable Kernel logSoftmax(GpuContext context, KernelKey key) {
    return softmax(context, key, ((LogSoftmax) key.op()).axis(), "log_softmax");
  }

  private static @Nullable Kernel softmax(GpuContext context, KernelKey key, int axis, String op) {
    long length = key.shape(0).dim(axis);
    String name = function(context, key, op, length);
    if (!isLast(key, axis) || name == null) {
      return null;
    }
    int team = team(context, length, HELD, MOST_SOFTMAX_TEAM);
    Kernel kernel = null;
    if (team == MOST_SOFTMAX_TEAM && key.all(DType.F32)) {
      kernel =
          length <= KEEPERS * KEPT
              ? forKept(context, key, name.replace("_f32", "_kept_f32"), length)
              : forLong(context, key, longName(name), length);
    }
    return kernel == null ? kernel(context, key, name, operands(key), length, team) : kernel;
  }

  /** A row in registers and the next one in shared memory, which begins anywhere among four. */
  private static @Nullable Kernel forKept(
      GpuContext context, KernelKey key, String name, long length) {
    long shared = Float.BYTES * 4 * Math.ceilDiv(length + 3, 4L);
    return forLong(context, key, name, length, KEEPERS, shared);
  }

  private static @Nullable Kernel forLong(
      GpuContext context, KernelKey key, String name, long length) {
    long run = (long) LONG_RUN * MOST_SOFTMAX_TEAM;
    long shared = Float.BYTES * run * Math.ceilDiv(length, run);
    return forLong(context, key, name, length, MOST_SOFTMAX_TEAM, shared);
  }

  /**
   * A kernel whose blocks take several rows in turn, each with a whole multiprocessor. Not all
   * sources have its function, and not all devices the shared memory.
   */
  private static @Nullable Kernel forLong(
      GpuContext context, KernelKey key, String name, long length, int threads, long shared) {
    if (shared > context.gpu().mostShared() - LONG_FOLDS || context.function(FILE, name) == 0) {
      return null;
    }
    long rows = rows(key, length);
    int blocks = (int) Math.min(rows, context.gpu().multiprocessors());
    Grid grid = new Grid(blocks, 1, 1, threads, (int) shared);
    Parameters parameters = operands(key).number(rows).number(length);
    return new LaunchKernel(context, name, Launch.of(context, FILE, name, grid, parameters));
  }

  private static String longName(String name) {
    return name.replace("_f32", "_long_f32");
  }

  static @Nullable Kernel softmaxGrad(GpuContext context, KernelKey key) {
    SoftmaxGrad grad = (SoftmaxGrad) key.op();
    long length = key.shape(0).dim(grad.axis());
    if (!isLast(key, grad.axis()) || !fits(key, length)) {
      return null;
    }
    String name = grad.name() + "_f32";
    int team = team(context, length, HELD_OF_TWO, MOST_TEAM);
    boolean kept = length <= (long) team * HELD_OF_TWO;
    Kernel kernel = grad.log() && !kept ? forLong(context, key, longName(name), length) : null;
    return kernel == null ? kernel(context, key, name, operands(key), length, team) : kernel;
  }

  private static boolean isLast(KernelKey key, int axis) {
    return key.shape(0).axis(axis) == key.shape(0).rank() - 1;
  }

  static @Nullable Kernel layerNorm(GpuContext context, KernelKey key) {
    float epsilon = (float) ((LayerNorm) key.op()).epsilon();
    long length = key.shape(1).size();
    String name = function(context, key, "layer_norm", length);
    return name == null ? null : norm(context, key, name, operands(key).number(epsilon), length);
  }

  static @Nullable Kernel rmsNorm(GpuContext context, KernelKey key) {
    float epsilon = (float) ((RmsNorm) key.op()).epsilon();
    long length = key.shape(1).size();
    String name = function(context, key, "rms_norm", length);
    return name == null ? null : norm(context, key, name, operands(key).number(epsilon), length);
  }

  static @Nullable Kernel groupNorm(GpuContext context, KernelKey key) {
    GroupNorm norm = (GroupNorm) key.op();
    Shape shape = key.shape(0);
    long pixels = shape.slice(2, shape.rank()).size();
    long length = shape.dim(1) / norm.groups() * pixels;
    return fits(key, length)
        ? norm(
            context,
            key,
            "group_norm_f32",
            operands(key).number((float) norm.epsilon()),
            length,
            norm.groups(),
            pixels)
        : null;
  }

  private static Kernel norm(
      GpuContext context,
      KernelKey key,
      String name,
      Parameters parameters,
      long length,
      long... numbers) {
    int team = team(context, length, HELD, MOST_TEAM);
    return kernel(context, key, name, parameters, length, team, numbers);
  }

  /** The function for the dtype of all operands; not all sources have all. */
  private static @Nullable String function(
      GpuContext context, KernelKey key, String op, long length) {
    String name = op + "_" + key.dtype(0).name().toLowerCase(Locale.ROOT);
    return fits(key, key.dtype(0), length) && context.function(FILE, name) != 0 ? name : null;
  }

  private static boolean fits(KernelKey key, long length) {
    return fits(key, DType.F32, length);
  }

  private static boolean fits(KernelKey key, DType dtype, long length) {
    return key.all(dtype) && key.isContiguous() && length <= MOST_LENGTH;
  }

  /** The output, then the inputs. */
  private static Parameters operands(KernelKey key) {
    Parameters parameters = new Parameters().operand(key.inputs());
    for (int i = 0; i < key.inputs(); i++) {
      parameters.operand(i);
    }
    return parameters;
  }

  private static Kernel kernel(
      GpuContext context,
      KernelKey key,
      String name,
      Parameters parameters,
      long length,
      int team,
      long... numbers) {
    long rows = rows(key, length);
    parameters.number(rows).number(length).number(team);
    for (long number : numbers) {
      parameters.number(number);
    }
    Kernel any = new LaunchKernel(context, name, launch(context, name, parameters, rows, team, 0));
    String shared = sharedName(name);
    boolean isShared =
        !key.dtype(0).equals(DType.F32)
            && length > SHARED_LEAST
            && length % SHARED_RUN == 0
            && length <= (long) team * HELD
            && context.function(FILE, shared) != 0;
    if (!isShared) {
      return any;
    }
    int bytes = Math.toIntExact(2 * length * (threads(team) / team));
    Launch launch = launch(context, shared, parameters, rows, team, bytes);
    return new AlignedKernel(new LaunchKernel(context, shared, launch), any);
  }

  /** The function that has rows of 16-bit floats in shared memory first. */
  private static String sharedName(String name) {
    int dtype = name.lastIndexOf('_');
    return name.substring(0, dtype) + "_shared" + name.substring(dtype);
  }

  private static long rows(KernelKey key, long length) {
    return length == 0 ? 0 : key.shape(0).size() / length;
  }

  /** Threads for a row, a power of two; they depend on the length alone, as do all sums. */
  private static int team(GpuContext context, long length, int held, int most) {
    int team = LEAST_TEAM;
    while (length > (long) team * held
        && 2 * team <= Math.min(most, context.gpu().blockThreads())) {
      team *= 2;
    }
    return team;
  }

  private static int threads(int team) {
    return Math.max(team, THREADS);
  }

  private static Launch launch(
      GpuContext context, String name, Parameters parameters, long rows, int team, int shared) {
    int threads = threads(team);
    int blocks = Math.toIntExact((rows * team + threads - 1) / threads);
    return Launch.of(context, FILE, name, new Grid(blocks, 1, 1, threads, shared), parameters);
  }

  /** Three launches: the gradient of x, sums over parts of the rows, and over the parts. */
  static @Nullable Kernel normGrad(GpuContext context, KernelKey key) {
    NormGrad op = (NormGrad) key.op();
    long length = key.shape(1).size();
    if (!fits(key, length)) {
      return null;
    }
    long rows = rows(key, length);
    if (isFused(context, length)) {
      return fusedNormGrad(context, op, rows, length, key.operands());
    }
    long strips = (length + COLUMNS - 1) / COLUMNS;
    long wanted = Math.min(BLOCKS / Math.max(1, strips), rows / PART_ROWS);
    long partRows = Math.ceilDiv(Math.max(1, rows), Math.clamp(wanted, 1, MOST_PARTS));
    long parts = Math.max(1, Math.ceilDiv(rows, partRows));
    // Scratch memory: mean and inverse deviation of each row, then [2, parts, length].
    int scratch = key.operands();
    long normals = 2 * rows;
    int team = team(context, length, HELD_OF_TWO, MOST_TEAM);
    Parameters forRows =
        new Parameters()
            .operand(3)
            .operand(scratch)
            .operand(0)
            .operand(1)
            .operand(2)
            .number((float) op.epsilon())
            .number(op.centred() ? 1 : 0)
            .number(rows)
            .number(length)
            .number(team);
    Parameters forColumns =
        new Parameters()
            .operand(scratch)
            .operand(0)
            .operand(2)
            .number(rows)
            .number(length)
            .number(partRows);
    return new LaunchKernel(
        context,
        "norm_grad_f32",
        4 * (normals + 2 * parts * length),
        launch(context, "norm_grad_f32", forRows, rows, team, 0),
        columns(context, "norm_grad_columns_f32", forColumns, strips, parts),
        parts(context, op, scratch, rows, parts, length));
  }

  /** Whether one launch gets by with reading the rows once; not all sources have its function. */
  private static boolean isFused(GpuContext context, long length) {
    boolean fits =
        length > (long) FUSED_LEAST * HELD_OF_FOUR && length <= (long) FUSED_MOST * HELD_OF_FOUR;
    return length % 4 == 0
        && (hasWarps(context, length) || (fits && context.function(FILE, FUSED) != 0));
  }

  private static boolean hasWarps(GpuContext context, long length) {
    return length > WARPS_LEAST && length <= WARPS_MOST && context.function(FILE, WARPS) != 0;
  }

  /** Two launches: the gradient of x with sums over the rows of each block, and over the blocks. */
  private static Kernel fusedNormGrad(
      GpuContext context, NormGrad op, long rows, long length, int scratch) {
    boolean warps = hasWarps(context, length);
    int team = team(context, length, HELD_OF_FOUR, FUSED_MOST);
    long parts = Math.clamp(rows / FUSED_ROWS, 1, warps ? WARPS_BLOCKS : FUSED_THREADS / team);
    long spans = 1 + 2 * WARPS_OF_BLOCK;
    long shared = Float.BYTES * spans * WARPS_SPAN * Math.ceilDiv(length, WARPS_SPAN);
    Grid forBlocks =
        warps
            ? new Grid((int) parts, 1, 1, 32 * WARPS_OF_BLOCK, (int) shared)
            : Grid.of(parts, team);
    Parameters forRows =
        new Parameters()
            .operand(3)
            .operand(scratch)
            .operand(0)
            .operand(1)
            .operand(2)
            .number((float) op.epsilon())
            .number(op.centred() ? 1 : 0)
            .number(rows)
            .number(length);
    Parameters forParts = weightGrads(op).operand(scratch).number(parts).number(length);
    int strips = (int) Math.ceilDiv(length, PARTS_COLUMNS);
    Grid grid = new Grid(strips, op.centred() ? 2 : 1, 1, PARTS_THREADS, 0);
    String name = warps ? WARPS : FUSED;
    return new LaunchKernel(
        context,
        name,
        4 * 2 * parts * length,
        Launch.of(context, FILE, name, forBlocks, forRows),
        Launch.of(context, FILE, "norm_grad_fused_parts_f32", grid, forParts));
  }

  /** The outputs for gamma and beta, of which there may be none. */
  private static Parameters weightGrads(NormGrad op) {
    Parameters parameters = new Parameters().operand(4);
    return op.centred() ? parameters.operand(5) : parameters.address(0);
  }

  /** Sums over parts, which lie behind the normals of the rows. */
  private static Launch parts(
      GpuContext context, NormGrad op, int scratch, long rows, long parts, long length) {
    Parameters parameters =
        weightGrads(op).operand(scratch).number(rows).number(parts).number(length);
    long strips = (length + COLUMNS - 1) / COLUMNS;
    return columns(context, "norm_grad_parts_f32", parameters, strips, op.centred() ? 2 : 1);
  }

  private static Launch columns(
      GpuContext context, String name, Parameters parameters, long strips, long layers) {
    Grid grid = new Grid(Math.toIntExact(strips), (int) layers, 1, COLUMN_THREADS, 0);
    return Launch.of(context, FILE, name, grid, parameters);
  }
}
