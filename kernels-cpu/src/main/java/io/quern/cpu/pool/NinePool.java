package io.quern.cpu.pool;

import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.MachineFunction;
import io.quern.op.Pool2d;
import io.quern.op.Window;
import io.quern.runtime.Raw;
import java.lang.foreign.Arena;
import java.util.Arrays;

/**
 * Windows of 3x3, one or two columns and rows apart, by machine code, in the order of {@link
 * PoolBands}. Rows above and below the image are one row of neutral elements.
 */
final class NinePool implements PlanePool {
  private static final int LANES = 16;
  private static final int KERNEL = 3;

  /** Apart from the class itself: placed when the first such pool is made. */
  private static final class Code {
    private static final MachineFunction[] MAX = place(Pool2d.Fn.MAX);
    private static final MachineFunction[] AVG = place(Pool2d.Fn.AVG);
    static final long NUMBERS = Arena.global().allocate(4L * NineCode.NUMBERS.length, 64).address();

    static {
      for (int i = 0; i < NineCode.NUMBERS.length; i++) {
        Raw.putInt(NUMBERS + 4L * i, NineCode.NUMBERS[i]);
      }
    }

    private static MachineFunction[] place(Pool2d.Fn fn) {
      MachineFunction[] ofStrides = new MachineFunction[2];
      Arrays.setAll(
          ofStrides,
          i -> MachineTier.place("pool of 3x3, " + fn + ", " + (i + 1), NineCode.of(fn, i + 1)));
      return ofStrides;
    }

    static MachineFunction of(Pool2d.Fn fn, int stride) {
      return (fn == Pool2d.Fn.MAX ? MAX : AVG)[stride - 1];
    }
  }

  private final Arena owner = Arena.ofAuto();
  private final PoolShape shape;
  private final Window window;
  private final MachineFunction code;
  private final long divisors;

  /** Column of the image behind the first of the first window. */
  private final int origin;

  private final long whole;
  private final long first;
  private final long last;

  /** Rows of windows that begin above the image, and all but those that end below it. */
  private final int above;

  private final int notBelow;

  private final long neutralRow;

  /** A pool of a shape that it {@link #covers}. */
  NinePool(PoolShape shape) {
    this.shape = shape;
    this.window = shape.pool().window();
    this.code = Code.of(shape.pool().fn(), window.strideW());
    this.divisors = shape.divisors(owner);
    this.origin = 1 - window.padLeft();
    int vectors = Math.ceilDiv(shape.ow() + windowsBefore(), LANES);
    this.whole = 4L * LANES * (vectors - 1);
    this.first = bits(0) | (ones(origin * LANES) << (3 * LANES));
    this.last = vectors == 1 ? 0 : bits(vectors - 1);
    this.above = Math.min(shape.oh(), Math.ceilDiv(window.padTop(), window.strideH()));
    int inside = Math.floorDiv(shape.h() - KERNEL + window.padTop(), window.strideH()) + 1;
    this.notBelow = Math.clamp(inside, above, shape.oh());
    this.neutralRow = owner.allocate(4L * (shape.w() + 1), 64).address();
    for (int x = 0; x <= shape.w(); x++) {
      Raw.putFloat(neutralRow + 4L * x, shape.neutral());
    }
  }

  /** Whether a shape has such windows, in a process that has the code. */
  static boolean covers(PoolShape shape) {
    Window window = shape.pool().window();
    int stride = window.strideW();
    boolean isNine = window.kernelH() == KERNEL && window.kernelW() == KERNEL;
    boolean isDense = window.dilationH() == 1 && window.dilationW() == 1;
    int lastCentre = (shape.ow() - 1) * stride + 1 - window.padLeft();
    return MachineTier.has512Bits()
        && isNine
        && isDense
        && stride <= 2
        && window.padLeft() <= 1
        && shape.oh() > 0
        && shape.ow() > 0
        && lastCentre < shape.w();
  }

  /** Windows before the first in a row's first vector, which do not exist. */
  private int windowsBefore() {
    return window.strideW() == 1 ? 1 : 0;
  }

  /** Bits of the columns, and the windows, that a vector has. */
  private long bits(int vector) {
    int columns = shape.w() - origin - vector * LANES * window.strideW();
    int firstWindow = vector * LANES - windowsBefore();
    long windows = ones(shape.ow() - firstWindow) & ~ones(-firstWindow);
    return ones(columns) | (ones(columns - LANES) << LANES) | (windows << (2 * LANES));
  }

  private static long ones(int count) {
    return (1L << Math.clamp(count, 0, LANES)) - 1;
  }

  @Override
  public void plane(long from, long to, long scratch) {
    for (int y = 0; y < above; y++) {
      row(from, y, to);
    }
    if (above < notBelow) {
      rows(
          image(from, above, 0), image(from, above, 1), image(from, above, 2), above, notBelow, to);
    }
    for (int y = notBelow; y < shape.oh(); y++) {
      row(from, y, to);
    }
  }

  private void row(long from, int y, long to) {
    rows(image(from, y, 0), image(from, y, 1), image(from, y, 2), y, y + 1, to);
  }

  /** Where an image row begins, of those under a row of windows. */
  private long image(long from, int y, int row) {
    int at = y * window.strideH() - window.padTop() + row;
    long begin = at >= 0 && at < shape.h() ? from + 4L * at * shape.w() : neutralRow;
    return begin + 4L * origin;
  }

  private void rows(long upper, long middle, long lower, int y, int end, long to) {
    long row = 4L * shape.ow();
    long down = 4L * shape.w() * window.strideH();
    long windows = to + y * row;
    long by = divisors + y * row;
    code.call(
        upper, middle, lower, down, end - y, windows, whole, first, last, row, by, Code.NUMBERS);
  }
}
