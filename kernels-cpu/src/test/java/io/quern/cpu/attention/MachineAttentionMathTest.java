package io.quern.cpu.attention;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.GuardedMemory;
import io.quern.runtime.Raw;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;

/**
 * Machine code has the bits of loops over scalars, and touches nothing else: rows end, or begin, at
 * pages that crash the process.
 */
@EnabledIf(value = "isUsed", disabledReason = "no machine code of 512 bits on this machine")
class MachineAttentionMathTest {
  private static final int LONGEST = 512;
  private static final int LANES = AttentionMath.LANES;
  private static final AttentionMath SCALARS = new ScalarAttentionMath();

  private enum Loop {
    SCALE,
    SCALE_TO,
    MAX,
    ADD,
    EXP_SUM,
    WEIGHTS,
    SCORE_GRADIENT;

    boolean takesAnyLength() {
      return this == SCALE_TO || this == ADD;
    }

    /** Runs the loop on rows x and y; gives the number that it gives. */
    float run(AttentionMath math, long x, long y, long n, float f0, float f1) {
      switch (this) {
        case SCALE -> math.scale(x, f0, n);
        case SCALE_TO -> math.scale(x, f0, n, y);
        case MAX -> {
          return math.max(x, n);
        }
        case ADD -> math.add(x, n, y);
        case EXP_SUM -> math.expSum(x, f0, n, y, f1);
        case WEIGHTS -> math.weights(x, f0, f1, n);
        case SCORE_GRADIENT -> math.scoreGradient(x, f0, n, y);
      }
      return 0;
    }
  }

  private static final List<Loop> ALL = List.of(Loop.values());

  private final SplittableRandom random = new SplittableRandom(1);
  private final AttentionMath code = isUsed() ? new MachineAttentionMath() : SCALARS;
  private final GuardedMemory[] memories = new GuardedMemory[4];

  MachineAttentionMathTest() {
    for (int i = 0; i < memories.length; i++) {
      memories[i] = new GuardedMemory(4 * LONGEST);
    }
  }

  static boolean isUsed() {
    return MachineTier.has512Bits();
  }

  @Test
  void loopsHaveTheBitsOfScalars() {
    check(20_000);
  }

  @Test
  @Tag("soak")
  void manyRows() {
    check(1_000_000);
  }

  @Test
  void blocksOfRowsHaveTheBitsOfScalars() {
    checkBlocks(2_000);
  }

  @Test
  @Tag("soak")
  void manyBlocks() {
    checkBlocks(1_000_000);
  }

  /** An operand of two calls: places that hold the same floats. */
  private final class Operand {
    private final GuardedMemory[] memories = new GuardedMemory[2];
    private final long[] places = new long[2];

    Operand(long most) {
      for (int i = 0; i < memories.length; i++) {
        memories[i] = new GuardedMemory(4 * most);
      }
    }

    /** So many floats, at one end of the memory or the other. */
    Operand of(long floats) {
      boolean atEnd = random.nextBoolean();
      for (int i = 0; i < memories.length; i++) {
        places[i] = memories[i].place(4 * floats, atEnd);
      }
      for (long i = 0; i < floats; i++) {
        set(i, random.nextInt(500) == 0 ? special() : (float) random.nextDouble(-9, 9));
      }
      return this;
    }

    void set(long i, float value) {
      for (long place : places) {
        Raw.putFloat(place + 4 * i, value);
      }
    }

    void requireSame(long from, long floats, String name) {
      for (long i = from; i < from + floats; i++) {
        float found = Raw.getFloat(places[0] + 4 * i);
        float wanted = Raw.getFloat(places[1] + 4 * i);
        if (Float.floatToIntBits(found) != Float.floatToIntBits(wanted)) {
          assertThat(found).as("%s %d", name, i).isEqualTo(wanted);
        }
      }
    }
  }

  private float special() {
    return switch (random.nextInt(3)) {
      case 0 -> Float.NaN;
      case 1 -> Float.NEGATIVE_INFINITY;
      default -> (float) random.nextDouble(-1e30, 1e30);
    };
  }

  private void checkBlocks(int times) {
    int mostRows = AttentionShape.QUERIES;
    long row = AttentionShape.ROW / 4;
    long maximum = AttentionMath.MAXIMUM / 4;
    Operand scores = new Operand(mostRows * row);
    Operand masks = new Operand(mostRows * row);
    Operand maxima = new Operand(mostRows * maximum);
    Operand sums = new Operand((long) mostRows * LANES);
    Operand results = new Operand((long) mostRows * LONGEST);
    Operand divided = new Operand((long) mostRows * LONGEST);
    for (int time = 0; time < times; time++) {
      int rows = random.nextInt(1, mostRows + 1);
      int keys = random.nextInt(1, AttentionShape.KEYS + 1);
      long maskRow = random.nextInt(3) == 0 ? 0 : keys;
      long columns = 16L * random.nextInt(1, 9);
      boolean isMasked = random.nextBoolean();
      boolean isFirst = random.nextInt(3) == 0;
      scores.of(rows * row);
      masks.of(maskRow == 0 ? keys : rows * maskRow);
      maxima.of(rows * maximum);
      sums.of((long) rows * LANES);
      results.of(rows * columns);
      for (int i = 0; i < rows; i++) {
        if (isFirst) {
          maxima.set(i * maximum, Float.NEGATIVE_INFINITY);
        }
        boolean hidden = random.nextInt(20) == 0;
        for (long j = hidden ? 0 : keys; j < row; j++) {
          scores.set(i * row + j, Float.NEGATIVE_INFINITY);
        }
        if (Float.isNaN(Raw.getFloat(maxima.places[0] + 4L * i * maximum))) {
          maxima.set(i * maximum, 1);
        }
      }
      for (int side = 0; side < 2; side++) {
        (side == 0 ? code : SCALARS)
            .toWeights(
                scores.places[side],
                rows,
                keys,
                isMasked ? masks.places[side] : 0,
                4 * maskRow,
                maxima.places[side],
                sums.places[side],
                isFirst ? 0 : results.places[side],
                4 * columns);
      }
      for (int i = 0; i < rows; i++) {
        scores.requireSame(i * row, keys, "weight");
        maxima.requireSame(i * maximum, 1, "maximum");
      }
      sums.requireSame(0, (long) rows * LANES, "sum");
      results.requireSame(0, rows * columns, "result");
      if (random.nextInt(10) == 0) {
        for (int j = 0; j < LANES; j++) {
          sums.set(j, 0);
        }
      }
      long n = random.nextLong(1, columns + 1);
      divided.of(n * rows);
      for (int side = 0; side < 2; side++) {
        (side == 0 ? code : SCALARS)
            .divide(
                results.places[side],
                4 * columns,
                sums.places[side],
                rows,
                n,
                divided.places[side]);
      }
      divided.requireSame(0, n * rows, "quotient");
    }
  }

  private void check(int times) {
    for (int i = 0; i < times; i++) {
      Loop loop = ALL.get(random.nextInt(ALL.size()));
      int n =
          loop.takesAnyLength()
              ? random.nextInt(LONGEST + 1)
              : random.nextInt(LONGEST / LANES + 1) * LANES;
      int others = loop == Loop.EXP_SUM ? LANES : n;
      long[] x = new long[2];
      long[] y = new long[2];
      for (int copy = 0; copy < 2; copy++) {
        x[copy] = memories[2 * copy].place(4L * n, random.nextBoolean());
        y[copy] = memories[2 * copy + 1].place(4L * others, random.nextBoolean());
      }
      // Exponentials of sums of scores are of numbers that are not above the largest one.
      boolean negative = loop == Loop.EXP_SUM;
      fill(x, n, negative);
      fill(y, others, false);
      float f0 = negative ? 9 : (float) random.nextDouble(-9, 9);
      float f1 = (float) random.nextDouble(-9, 9);
      float found = loop.run(code, x[0], y[0], n, f0, f1);
      float wanted = loop.run(SCALARS, x[1], y[1], n, f0, f1);
      assertThat(found).as("%s of %d", loop, n).isEqualTo(wanted);
      compare(x, n, loop, "x");
      compare(y, others, loop, "y");
    }
  }

  private void fill(long[] rows, int n, boolean belowNine) {
    for (int i = 0; i < n; i++) {
      boolean special = random.nextInt(200) == 0;
      float any = Float.intBitsToFloat(random.nextInt());
      float value = special ? any : (float) random.nextDouble(-9, 9);
      Raw.putFloat(rows[0] + 4L * i, belowNine && value > 9 ? -value : value);
      Raw.putFloat(rows[1] + 4L * i, belowNine && value > 9 ? -value : value);
    }
  }

  private static void compare(long[] rows, int n, Loop loop, String row) {
    for (int i = 0; i < n; i++) {
      float found = Raw.getFloat(rows[0] + 4L * i);
      float wanted = Raw.getFloat(rows[1] + 4L * i);
      if (Float.floatToIntBits(found) != Float.floatToIntBits(wanted)) {
        assertThat(found).as("%s: element %d of %s of %d", loop, i, row, n).isEqualTo(wanted);
      }
    }
  }
}
