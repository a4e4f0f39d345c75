package io.quern.gpu;

import io.quern.DType;
import io.quern.Shape;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.op.Binary;
import io.quern.op.Epilogue;
import io.quern.op.Layout;
import io.quern.op.MatMul;
import io.quern.op.ScalarProgram;
import io.quern.op.ScalarProgram.Apply1;
import io.quern.op.ScalarProgram.Apply2;
import io.quern.op.Unary;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Products of matrices by {@code matmul} and {@code matmul_finish}. */
public final class MatMulKernels {
  private static final String FILE = "matmul";
  private static final String FINISH_FILE = "matmul_finish";
  private static final int THREADS = 256;

  /** Least length of a part of a sum, and how many parts all results may have. */
  private static final int PART = 128;

  private static final int PARTS = 256;

  private final GpuContext context;
  private final Products products;
  private final Finish finish;
  private final int output;

  /** What makes the second matrices in scratch memory; null where they are an operand. */
  private final @Nullable Launch making;

  /** Parts of the sum, which follow from the shape alone, and their length. */
  private final long parts;

  private final long partLength;

  private MatMulKernels(GpuContext context, KernelKey key, Products products, Finish finish) {
    this(context, products, finish, key.inputs(), null, key.dtype(0) == DType.F32);
  }

  private MatMulKernels(
      GpuContext context,
      Products products,
      Finish finish,
      int output,
      @Nullable Launch making,
      boolean mayPart) {
    this.context = context;
    this.products = products;
    this.finish = finish;
    this.output = output;
    this.making = making;
    long tiles = Math.max(1, tiles(64) * products.batch().count());
    long wanted = mayPart ? Math.min(products.k() / PART, PARTS / tiles) : 1;
    this.partLength =
        Math.max(1, Math.ceilDiv(Math.ceilDiv(products.k(), Math.max(1, wanted)), 32) * 32);
    this.parts = Math.max(1, Math.ceilDiv(products.k(), partLength));
  }

  /** The kernel for products of F32, BF16 or F16; null for others. */
  public static @Nullable Kernel create(GpuContext context, KernelKey key) {
    DType dtype = key.dtype(0);
    boolean covered =
        key.all(dtype) && (dtype == DType.F32 || dtype == DType.BF16 || dtype == DType.F16);
    return covered
        ? Products.of(key)
            .map(products -> new MatMulKernels(context, key, products, Finish.NONE).kernel(dtype))
            .orElse(null)
        : null;
  }

  /** The kernel for products of F32 and a program that is a {@link Finish}; null for others. */
  public static @Nullable Kernel withEpilogue(GpuContext context, KernelKey key) {
    Optional<Finish> finish = key.all(DType.F32) ? Finish.of(key) : Optional.empty();
    if (finish.isEmpty()) {
      return null;
    }
    // With as many rows the sums have the parts that they have without an epilogue.
    return Products.of(key, finish.get().addends())
        .filter(products -> Products.of(key).filter(p -> p.m() == products.m()).isPresent())
        .map(products -> new MatMulKernels(context, key, products, finish.get()))
        .map(kernels -> kernels.kernel(DType.F32))
        .orElse(null);
  }

  /**
   * The kernel for [m, k], the first operand, times the turned [n, k] that a launch makes.
   *
   * @param making writes F32 to the operand behind the output
   */
  static Kernel withMade(GpuContext context, long m, long n, long k, int output, Launch making) {
    Layout one = Layout.contiguous(Shape.of());
    Walk batch = Walk.over(List.of(one, one)).orElseThrow();
    Products products = new Products(m, n, k, batch, k, 1, 1, k);
    return new MatMulKernels(context, products, Finish.NONE, output, making, true)
        .kernel(DType.F32);
  }

  private Kernel kernel(DType dtype) {
    return switch (dtype) {
      case BF16 -> kernel(FILE, "matmul_32_bf16", 32);
      case F16 -> kernel(FILE, "matmul_32_f16", 32);
      default ->
          finishes() && parts == 1
              ? kernel(FINISH_FILE, "matmul_" + tile() + "_finish_f32", tile())
              : kernel(FILE, "matmul_" + tile() + "_f32", tile());
    };
  }

  private boolean finishes() {
    return !finish.equals(Finish.NONE);
  }

  /** The largest tile with which every multiprocessor has work; results do not depend on it. */
  private int tile() {
    for (int tile = 128; tile > 32; tile /= 2) {
      if (tiles(tile) * products.batch().count() * parts >= context.gpu().multiprocessors()) {
        return tile;
      }
    }
    return 32;
  }

  private long tiles(int tile) {
    return Math.ceilDiv(products.m(), tile) * Math.ceilDiv(products.n(), tile);
  }

  private Kernel kernel(String file, String name, int tile) {
    long m = products.m();
    long n = products.n();
    long madeBytes = making == null ? 0 : Math.ceilDiv(4 * n * products.k(), 256) * 256;
    Parameters parameters =
        new Parameters()
            .operand(parts == 1 ? output : output + 1, parts == 1 ? 0 : madeBytes)
            .operand(0)
            .operand(making == null ? 1 : output + 1)
            .struct(
                m,
                n,
                products.k(),
                products.aRow(),
                products.aColumn(),
                products.bRow(),
                products.bColumn(),
                parts,
                partLength)
            .struct(products.batch().words());
    if (finishes() && parts == 1) {
      finish.addTo(parameters);
    }
    int matrices = (int) (products.batch().count() * parts);
    Grid grid =
        new Grid((int) Math.ceilDiv(n, tile), (int) Math.ceilDiv(m, tile), matrices, THREADS, 0);
    List<Launch> launches = new ArrayList<>();
    if (making != null) {
      launches.add(making);
    }
    launches.add(Launch.of(context, file, name, grid, parameters));
    if (parts == 1) {
      return new LaunchKernel(context, name, madeBytes, launches);
    }
    long count = products.count();
    Parameters sum =
        new Parameters()
            .operand(output)
            .operand(output + 1, madeBytes)
            .number(m * n)
            .number(parts)
            .number(count);
    if (finishes()) {
      finish.addTo(sum.number(n).struct(products.batch().words()));
    }
    String suffix = finishes() ? "_parts_finish_f32" : "_parts_f32";
    Grid results = Grid.covering(count, THREADS);
    launches.add(
        Launch.of(context, finishes() ? FINISH_FILE : FILE, "matmul" + suffix, results, sum));
    String whole = finishes() ? name + "_parts_finish" : name + "_parts";
    return new LaunchKernel(context, whole, madeBytes + 4 * parts * count, launches);
  }

  /**
   * What becomes of the results of a product: up to two addends, each followed by a rectifier or
   * not.
   *
   * @param operands those that are added, up to two; -1 for none
   * @param relu whether a rectifier follows
   * @param addends their layouts of the output's shape
   */
  private record Finish(List<Integer> operands, List<Boolean> relu, List<Layout> addends) {
    static final Finish NONE = new Finish(List.of(-1, -1), List.of(false, false), List.of());

    /** That of a product with an epilogue, unless its program does more. */
    static Optional<Finish> of(KernelKey key) {
      if (!(key.op() instanceof Epilogue(MatMul _, int operands, ScalarProgram program))) {
        return Optional.empty();
      }
      int[] added = {-1, -1};
      boolean[] relu = new boolean[2];
      int value = 0;
      int at = 0;
      for (ScalarProgram.Step step : program.steps()) {
        int other = step instanceof Apply2 add ? other(add, value, program.inputs()) : -1;
        boolean rectifies = step.equals(new Apply1(Unary.Fn.RELU, value));
        if (other > 0 && (added[at] >= 0 || relu[at])) {
          at++;
        }
        if ((other < 0 && !rectifies) || at > 1) {
          return Optional.empty();
        }
        if (rectifies) {
          relu[at] = true;
        } else {
          added[at] = operands + other - 1;
        }
        value = value == 0 ? program.inputs() : value + 1;
      }
      return of(key, added, relu);
    }

    /** The input that a step adds to a value; -1 when it does something else. */
    private static int other(Apply2 step, int value, int inputs) {
      int other = step.x() == value ? step.y() : step.x();
      boolean adds = step.fn() == Binary.Fn.ADD && step.x() + step.y() == value + other;
      return adds && other > 0 && other < inputs ? other : -1;
    }

    private static Optional<Finish> of(KernelKey key, int[] added, boolean[] relu) {
      Shape shape = key.output().shape();
      List<Layout> addends = new ArrayList<>();
      for (int operand : added) {
        if (operand >= 0) {
          Layout addend = key.layout(operand).expand(shape);
          if (shape.dim(-1) > 1 && addend.stride(-1) != 0 && addend.stride(-1) != 1) {
            return Optional.empty();
          }
          addends.add(addend);
        } else if (addends.isEmpty()) {
          addends.add(Layout.contiguous(Shape.scalar()).expand(shape)); // so that it is the second
        }
      }
      return Optional.of(
          new Finish(List.of(added[0], added[1]), List.of(relu[0], relu[1]), addends));
    }

    void addTo(Parameters parameters) {
      for (int operand : operands) {
        if (operand >= 0) {
          parameters.operand(operand);
        } else {
          parameters.address(0);
        }
      }
      long[] strides = new long[4];
      for (int i = 0; i < addends.size(); i++) {
        strides[i] = addends.get(i).stride(-2);
        strides[2 + i] = addends.get(i).stride(-1);
      }
      parameters.struct(
          relu.get(0) ? 1 : 0, relu.get(1) ? 1 : 0, strides[0], strides[1], strides[2], strides[3]);
    }
  }
}
