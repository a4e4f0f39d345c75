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
