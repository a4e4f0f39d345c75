package io.quern.cpu.pool;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.Shape;
import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.GuardedMemory;
import io.quern.op.Pool2d;
import io.quern.op.Window;
import io.quern.runtime.Raw;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;

/**
 * Machine code has the bits of loops over scalars, and touches nothing else: planes end, or begin,
 * at pages that crash the process.
 */
@EnabledIf(value = "isUsed", disabledReason = "no machine code of 512 bits on this machine")
class NinePoolTest {
  private static final int MOST_ROWS = 12;
  private static final int WIDEST = 120;

  private final SplittableRandom random = new SplittableRandom(1);
  private final GuardedMemory image = new GuardedMemory(4L * MOST_ROWS * WIDEST);
  private final GuardedMemory result = new GuardedMemory(4L * (MOST_ROWS + 2) * (WIDEST + 2));

  static boolean isUsed() {
    return MachineTier.has512Bits();
  }

  @Test
  void poolsHaveTheBitsOfScalars() {
    assertThat(check(5_000)).isGreaterThan(3_000);
  }

  @Test
  @Tag("soak")
  void manyPools() {
    assertThat(check(300_000)).isGreaterThan(180_000);
  }

  /** Returns how many of the pools were computed by the code. */
  private int check(int times) {
    int covered = 0;
    for (int i = 0; i < times; i++) {
      int h = random.nextInt(1, MOST_ROWS + 1);
      int w = random.nextInt(1, random.nextBoolean() ? 40 : WIDEST + 1);
      Window window = new Window(3, 3, stride(), stride(), pad(), pad(), pad(), pad(), 1, 1);
      Pool2d.Fn fn = random.nextBoolean() ? Pool2d.Fn.MAX : Pool2d.Fn.AVG;
      int oh = outputs(h + window.padTop() + window.padBottom(), window.strideH());
      int ow = outputs(w + window.padLeft() + window.padRight(), window.strideW());
      Pool2d pool = new Pool2d(fn, window, random.nextBoolean());
      PoolShape shape = PoolShape.of(pool, Shape.of(1, 1, h, w), Shape.of(1, 1, oh, ow));
      if (NinePool.covers(shape)) {
        check(shape);
        covered++;
      }
    }
    return covered;
  }

  private int stride() {
    return random.nextInt(1, 3);
  }

  private int pad() {
    return random.nextInt(0, 2);
  }

  private static int outputs(int size, int stride) {
    return size < 3 ? 0 : (size - 3) / stride + 1;
  }

  private void check(PoolShape shape) {
    long from = filled(shape.h() * shape.w());
    long to = result.place(4L * shape.oh() * shape.ow(), random.nextBoolean());
    new NinePool(shape).plane(from, to, 0);
    for (int y = 0; y < shape.oh(); y++) {
      for (int x = 0; x < shape.ow(); x++) {
        float found = Raw.getFloat(to + 4L * (y * shape.ow() + x));
        float wanted = window(shape, from, y, x);
        if (Float.floatToIntBits(found) != Float.floatToIntBits(wanted)) {
          assertThat(found).as("%s at %d, %d", shape, y, x).isEqualTo(wanted);
        }
      }
    }
  }

  private static float window(PoolShape shape, long from, int y, int x) {
    Window window = shape.pool().window();
    float[] columns = new float[3];
    int present = 0;
    for (int i = 0; i < 3; i++) {
      float[] rows = new float[3];
      for (int j = 0; j < 3; j++) {
        int row = y * window.strideH() - window.padTop() + j;
        int column = x * window.strideW() - window.padLeft() + i;
        boolean isInside = row >= 0 && row < shape.h() && column >= 0 && column < shape.w();
        rows[j] = isInside ? Raw.getFloat(from + 4L * (row * shape.w() + column)) : neutral(shape);
        present += isInside ? 1 : 0;
      }
      columns[i] = fold(shape, rows);
    }
    float folded = fold(shape, columns);
    return isMax(shape) ? folded : folded / (shape.pool().countPadding() ? 9 : present);
  }

  private static boolean isMax(PoolShape shape) {
    return shape.pool().fn() == Pool2d.Fn.MAX;
  }

  private static float neutral(PoolShape shape) {
    return isMax(shape) ? Float.NEGATIVE_INFINITY : 0;
  }

  private static float fold(PoolShape shape, float[] of) {
    return isMax(shape) ? Math.max(Math.max(of[0], of[1]), of[2]) : of[0] + of[1] + of[2];
  }

  /** Signed numbers, and sometimes NaN. */
  private long filled(int count) {
    long address = image.place(4L * count, random.nextBoolean());
    for (int i = 0; i < count; i++) {
      float value = random.nextInt(-400, 500) / 256f;
      Raw.putFloat(address + 4L * i, random.nextInt(100) == 0 ? Float.NaN : value);
    }
    return address;
  }
}
