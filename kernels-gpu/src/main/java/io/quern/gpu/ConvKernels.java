package io.quern.gpu;

import io.quern.DType;
import io.quern.Shape;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.op.Binary;
import io.quern.op.Conv2d;
import io.quern.op.Conv2dInputGrad;
import io.quern.op.Conv2dWeightGrad;
import io.quern.op.Epilogue;
import io.quern.op.ScalarProgram;
import io.quern.op.ScalarProgram.Apply1;
import io.quern.op.ScalarProgram.Apply2;
import io.quern.op.Unary;
import io.quern.op.Window;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Convolutions and their gradients by {@code conv.cu}. The gradient of images takes a launch for
 * each place of a pixel among the strides, since other taps reach it.
 */
public final class ConvKernels {
  private static final String FILE = "conv";
  private static final int THREADS = 256;

  /** The most blocks in the second and third dimension of a grid. */
  private static final long GRID = 65535;

  /** Rows of a group that are too few for a tile. */
  private static final long FEW_ROWS = 4;

  /**
   * Steps of a sum that one thread may take alone, and elements of a row that keep a device busy.
   */
  private static final long SHORT_SUM = 1024;

  private static final long MANY_ELEMENTS = 1 << 17;

  /** Threads of a block, and elements of a thread, where there are few rows. */
  private static final int DIRECT_THREADS = 128;

  private static final long DIRECT_HIGH = 8;

  /** Taps below each other for which there are kernels that load a pixel once, by rows. */
  private static final Map<Long, Set<Long>> DIRECT_TAPS =
      Map.of(1L, Set.of(3L, 4L, 5L, 7L), 3L, Set.of(3L, 4L));

  /** Elements of a group that are too few for a tile. */
  private static final long FEW_ELEMENTS = 64;

  /** Elements of a block of their kernel. */
  private static final long DOTS = 9;

  private final GpuContext context;
  private final KernelKey key;
  private final Tiling tiling;
  private final Window window;
  private final int groups;

  // Sizes; channels are those of a group.
  private final long batch;
  private final long in;
  private final long out;
  private final long height;
  private final long width;
  private final long outHeight;
  private final long outWidth;
  private final long taps;

  private ConvKernels(
      GpuContext context,
      KernelKey key,
      Tiling tiling,
      Window window,
      int groups,
      Shape image,
      Shape output) {
    this.context = context;
    this.key = key;
    this.tiling = tiling;
    this.window = window;
    this.groups = groups;
    this.batch = image.dim(0);
    this.in = image.dim(1) / groups;
    this.out = output.dim(1) / groups;
    this.height = image.dim(2);
    this.width = image.dim(3);
    this.outHeight = output.dim(2);
    this.outWidth = output.dim(3);
    this.taps = (long) window.kernelH() * window.kernelW();
  }

  /** Cuts up a product of matrices. */
  public interface Tiling {
    /** A tile for {@code groups} products [m, k] x [k, n], and the parts of their sums. */
    ConvTile of(long m, long n, long k, long groups);
  }

  static @Nullable Kernel create(GpuContext context, KernelKey key) {
    return create(context, key, ConvTile::of);
  }

  /** The kernel for a convolution or one of its gradients; null for what is not covered. */
  public static @Nullable Kernel create(GpuContext context, KernelKey key, Tiling tiling) {
    Shape first = key.shape(0);
    Shape second = key.shape(1);
    Shape output = key.output().shape();
    return switch (key.op()) {
      case Conv2d(Window window, int groups) when covers(key, groups) ->
          new ConvKernels(context, key, tiling, window, groups, first, output)
              .forward(Finish.of(key.inputs()));
      case Epilogue(Conv2d(Window window, int groups), int operands, ScalarProgram program)
          when covers(key, groups) ->
          Finish.of(key, operands, program)
              .map(
                  finish ->
                      new ConvKernels(context, key, tiling, window, groups, first, output)
                          .forward(finish))
              .orElse(null);
      case Conv2dInputGrad(Window window, int groups, Shape _) when covers(key, groups) ->
          new ConvKernels(context, key, tiling, window, groups, output, second).inputGrad();
      case Conv2dWeightGrad(Window window, int groups) when covers(key, groups) ->
          new ConvKernels(context, key, tiling, window, groups, first, second).weightGrad();
      default -> null;
    };
  }

  private static boolean covers(KernelKey key, int groups) {
    boolean small = groups * FEW_ELEMENTS <= GRID;
    for (int i = 0; i < key.operands(); i++) {
      small &= key.shape(i).size() < 1 << 30;
    }
    return key.all(DType.F32) && key.isContiguous() && small;
  }

  /**
   * What becomes of a sum.
   *
   * @param bias the operand that it starts with, one element for each channel, or 0 for none
   * @param relu whether negative results become 0
   */
  private record Finish(int bias, boolean relu) {
    private static final Apply2 ADD = new Apply2(Binary.Fn.ADD, 0, 1);

    static final Finish NONE = new Finish(0, false);

    /** That of a convolution with so many operands. */
    static Finish of(int operands) {
      return operands == 3 ? new Finish(2, false) : NONE;
    }

    /** That of a convolution and a program, unless the program does more than these. */
    static Optional<Finish> of(KernelKey key, int operands, ScalarProgram program) {
      if (program.equals(relu(0))) {
        return Optional.of(new Finish(of(operands).bias, true));
      }
      Shape channels = Shape.of(key.output().shape().dim(1), 1, 1);
      boolean biased =
          operands == 2
              && program.inputs() == 2
              && program.steps().getFirst().equals(ADD)
              && (key.shape(2).equals(channels)
                  || key.shape(2).equals(Shape.of(1).concat(channels)));
      boolean ends = program.steps().size() == 1 || program.equals(relu(2, ADD));
      return biased && ends
          ? Optional.of(new Finish(2, program.steps().size() > 1))
          : Optional.empty();
    }

    /** The program that applies some steps, and then a rectifier to value {@code x}. */
    private static ScalarProgram relu(int x, Apply2... before) {
      List<ScalarProgram.Step> steps = new ArrayList<>(List.of(before));
      steps.add(new Apply1(Unary.Fn.RELU, x));
      return new ScalarProgram(before.length + 1, steps);
    }
  }

  /** The kernels' struct: how an index runs over an image, and over the other operand. */
  private record Places(
      long area,
      long width,
      long top,
      long down,
      long left,
      long right,
      long image,
      long row,
      long other,
      long otherRow,
      long otherColumn) {
    long rows() {
      return area / width;
    }

    long[] words() {
      return new long[] {
        area, width, top, down, left, right, image, row, other, otherRow, otherColumn
      };
    }
  }

  /** The kernels' struct, but for what tells of parts, with the places of columns and steps. */
  private record Product(
      long m,
      long n,
      long k,
      long height,
      long width,
      long aFirst,
      long aRow,
      long aGroup,
      long bGroup,
      long cFirst,
      long cRow,
      long cGroup,
      Places columns,
      Places steps) {
    long[] words(long partLength, long part, boolean relu) {
      return new long[] {
        m,
        n,
        k,
        height,
        width,
        aFirst,
        aRow,
        aGroup,
        bGroup,
        cFirst,
        cRow,
        cGroup,
        partLength,
        part,
        relu ? 1 : 0
      };
    }
  }

  /** Positions of the window, and elements of the output. */
  private Places pixels() {
    return new Places(
        outHeight * outWidth,
        outWidth,
        -window.padTop(),
        window.strideH(),
        -window.padLeft(),
        window.strideW(),
        groups * in * height * width,
        width,
        groups * out * outHeight * outWidth,
        outWidth,
        1);
  }

  /** Elements of the window, and of a filter. */
  private Places taps() {
    return new Places(
        taps,
        window.kernelW(),
        0,
        window.dilationH(),
        0,
        window.dilationW(),
        height * width,
        width,
        taps,
        window.kernelW(),
        1);
  }

  private Kernel forward(Finish finish) {
    long area = outHeight * outWidth;
    Product product =
        new Product(
            out,
            batch * area,
            in * taps,
            height,
            width,
            0,
            in * taps,
            out * in * taps,
            in * height * width,
            0,
            area,
            out * area,
            pixels(),
            taps());
    return isDirect(product)
        ? direct(1, 0, List.of(product), finish)
        : tiled("conv2d", 1, 0, List.of(product), finish);
  }

  private Kernel weightGrad() {
    long area = outHeight * outWidth;
    Product product =
        new Product(
            out,
            in * taps,
            batch * area,
            height,
            width,
            0,
            area,
            out * area,
            in * height * width,
            0,
            in * taps,
            out * in * taps,
            taps(),
            pixels());
    return product.m * product.n <= FEW_ELEMENTS
        ? dots(product)
        : tiled("conv2d_weight_grad", 1, 0, List.of(product), Finish.NONE);
  }

  private Kernel inputGrad() {
    List<Product> products = new ArrayList<>();
    for (int y = 0; y < Math.min(window.strideH(), height); y++) {
      for (int x = 0; x < Math.min(window.strideW(), width); x++) {
        products.add(
            inputGrad(
                Phase.of(
                    y,
                    height,
                    window.kernelH(),
                    window.strideH(),
                    window.dilationH(),
                    window.padTop()),
                Phase.of(
                    x,
                    width,
                    window.kernelW(),
                    window.strideW(),
                    window.dilationW(),
                    window.padLeft())));
      }
    }
    return isDirect(products.getFirst())
        ? direct(0, 1, products, Finish.NONE)
        : tiled("conv2d_input_grad", 0, 1, products, Finish.NONE);
  }

  /**
   * Pixels of one dimension that are strides apart, and the taps that reach them.
   *
   * @param pixel the first pixel
   * @param count number of pixels
   * @param tap the first tap
   * @param tapStep taps between neighbours
   * @param taps number of taps
   * @param first window under which the first tap lies on the first pixel
   * @param back windows between those of neighbouring taps
   */
  private record Phase(
      long pixel, long count, long tap, long tapStep, long taps, long first, long back) {
    static Phase of(long pixel, long pixels, long kernel, long stride, long dilation, long pad) {
      long tapStep = 1;
      while (tapStep * dilation % stride != 0) {
        tapStep++;
      }
      long tap = 0;
      while (tap < Math.min(tapStep, kernel) && (pixel + pad - tap * dilation) % stride != 0) {
        tap++;
      }
      long taps = tap == tapStep ? 0 : (kernel - tap + tapStep - 1) / tapStep;
      return new Phase(
          pixel,
          (pixels - pixel + stride - 1) / stride,
          tap,
          tapStep,
          taps,
          Math.floorDiv(pixel + pad - tap * dilation, stride),
          tapStep * dilation / stride);
    }
  }

  private Product inputGrad(Phase y, Phase x) {
    long area = outHeight * outWidth;
    Places columns =
        new Places(
            y.count * x.count,
            x.count,
            y.first,
            1,
            x.first,
            1,
            groups * out * area,
            outWidth,
            groups * in * height * width,
            window.strideH() * width,
            window.strideW());
    Places steps =
        new Places(
            Math.max(1, y.taps * x.taps),
            Math.max(1, x.taps),
            0,
            -y.back,
            0,
            -x.back,
            area,
            outWidth,
            in * taps,
            y.tapStep * window.kernelW(),
            x.tapStep);
    return new Product(
        in,
        batch * columns.area,
        out * y.taps * x.taps,
        outHeight,
        outWidth,
        y.tap * window.kernelW() + x.tap,
        taps,
        out * in * taps,
        out * area,
        y.pixel * width + x.pixel,
        height * width,
        in * height * width,
        columns,
        steps);
  }

  private Kernel tiled(String op, int a, int image, List<Product> products, Finish finish) {
    Product longest = products.getFirst();
    for (Product each : products) {
      longest = each.k > longest.k ? each : longest;
    }
    ConvTile tile = tiling.of(longest.m, longest.n, longest.k, groups);
    String name = op + "_" + tile.m() + "x" + tile.n() + "_f32";
    List<Launch> launches = new ArrayList<>();
    for (Product each : products) {
      Grid grid =
          new Grid(
              Math.toIntExact(tile.count(each.m, each.n)), groups, tile.parts(), tile.threads(), 0);
      launches.add(
          launch(name, grid, operands(a, image, tile.parts(), finish), each, tile.parts(), finish));
    }
    return kernel(name, launches, tile.parts(), finish);
  }

  private Kernel direct(int a, int image, List<Product> products, Finish finish) {
    String name = "";
    List<Launch> launches = new ArrayList<>();
    for (Product each : products) {
      long rows = each.m > 1 ? 3 : 1;
      Places columns = each.columns;
      long strips = Math.ceilDiv(columns.rows(), DIRECT_HIGH);
      long threads = each.n / columns.area * strips * columns.width;
      Grid across = Grid.covering(threads, DIRECT_THREADS);
      int groupsOfRows = Math.toIntExact(groups * Math.ceilDiv(each.m, rows));
      Grid grid = new Grid(across.x(), groupsOfRows, 1, DIRECT_THREADS, 0);
      name = "conv2d_direct_" + rows + "x" + tapsAtOnce(each, rows) + "_f32";
      launches.add(launch(name, grid, operands(a, image, 1, finish), each, 1, finish));
    }
    return kernel(name, launches, 1, finish);
  }

  /** Whether there are few rows, and threads enough for sums that are long. */
  private boolean isDirect(Product product) {
    return product.m <= FEW_ROWS && (product.k <= SHORT_SUM || groups * product.n >= MANY_ELEMENTS);
  }

  /** Taps below each other that are reached from the same pixel, those of neighbouring elements. */
  private static long tapsAtOnce(Product product, long rows) {
    Places steps = product.steps;
    boolean aligned = Math.abs(steps.down) == product.columns.down;
    return aligned && DIRECT_TAPS.get(rows).contains(steps.rows()) ? steps.rows() : 1;
  }

  private Kernel dots(Product product) {
    String name = "conv2d_dot_f32";
    int rows = Math.toIntExact(groups * product.m);
    int across = (int) Math.ceilDiv(product.n, DOTS);
    long blocks = Math.max(1, (long) rows * across);
    int parts = (int) Math.max(1, Math.min(1024 / blocks, product.k / 4096));
    Grid grid = new Grid(across, rows, parts, THREADS, 0);
    Parameters operands = operands(1, 0, parts);
    Launch launch = launch(name, grid, operands, product, parts, Finish.NONE);
    return kernel(name, List.of(launch), parts, Finish.NONE);
  }

  /** The result or its parts, the other operand, and the image. */
  private Parameters operands(int a, int image, int parts) {
    return new Parameters()
        .operand(parts == 1 ? key.inputs() : key.operands())
        .operand(a)
        .operand(image);
  }

  private Parameters operands(int a, int image, int parts, Finish finish) {
    Parameters operands = operands(a, image, parts);
    return finish.bias == 0 ? operands.address(0) : operands.operand(finish.bias);
  }

  private Launch launch(
      String name, Grid grid, Parameters operands, Product product, int parts, Finish finish) {
    long partLength = Math.max(1, (product.k + parts - 1) / parts);
    operands
        .struct(product.words(partLength, key.output().shape().size(), parts == 1 && finish.relu))
        .struct(product.columns.words())
        .struct(product.steps.words());
    return Launch.of(context, FILE, name, grid, operands);
  }

  private Kernel kernel(String name, List<Launch> launches, int parts, Finish finish) {
    if (parts == 1) {
      return new LaunchKernel(context, name, 0, launches);
    }
    long count = key.output().shape().size();
    List<Launch> all = new ArrayList<>(launches);
    all.add(
        Launch.of(
            context,
            FILE,
            "conv2d_parts_f32",
            Grid.covering(count, THREADS),
            new Parameters()
                .operand(key.inputs())
                .operand(key.operands())
                .number(count)
                .number((long) parts)
                .number(finish.relu ? 1L : 0L)));
    return new LaunchKernel(
        context, name + "_parts", 4L * parts * count, all.toArray(Launch[]::new));
  }
}
