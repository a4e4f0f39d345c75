package io.quern.cpu.elementwise;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.GuardedMemory;
import io.quern.runtime.Raw;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;

/** BF16 is widened and rounded exactly, between pages that crash the process. */
@EnabledIf(value = "isUsed", disabledReason = "no machine code of 512 bits on this machine")
class MachineBrainCastTest {
  private static final int MOST = 100;

  private final SplittableRandom random = new SplittableRandom(1);
  private final GuardedMemory narrow = new GuardedMemory(2 * MOST);
  private final GuardedMemory wide = new GuardedMemory(4 * MOST);

  static boolean isUsed() {
    return MachineTier.has512Bits();
  }

  @Test
  void wideningKeepsAllBits() {
    for (int round = 0; round < 2000; round++) {
      int n = random.nextInt(MOST + 1);
      long from = narrow.place(2L * n, random.nextBoolean());
      long to = wide.place(4L * n, random.nextBoolean());
      for (int i = 0; i < n; i++) {
        Raw.putShort(from + 2L * i, (short) random.nextInt());
      }
      MachineBrainCast.WIDEN.run(from, 0, 0, to, n);
      for (int i = 0; i < n; i++) {
        assertThat(Raw.getInt(to + 4L * i)).isEqualTo(Raw.getShort(from + 2L * i) << 16);
      }
    }
  }

  /** Any bits: subnormal numbers, infinities and NaN among them, and halves between two. */
  @Test
  void roundingGivesTheNearest() {
    for (int round = 0; round < 2000; round++) {
      int n = random.nextInt(MOST + 1);
      long from = wide.place(4L * n, random.nextBoolean());
      long to = narrow.place(2L * n, random.nextBoolean());
      for (int i = 0; i < n; i++) {
        int bits = random.nextInt();
        boolean isHalf = random.nextInt(4) == 0;
        boolean isSmall = random.nextInt(4) == 0;
        bits = isHalf ? (bits & 0xFFFF0000) | 0x8000 : bits;
        Raw.putInt(from + 4L * i, isSmall ? bits & 0x807FFFFF : bits);
      }
      MachineBrainCast.ROUND.run(from, 0, 0, to, n);
      for (int i = 0; i < n; i++) {
        check(Raw.getFloat(from + 4L * i), Float.intBitsToFloat(Raw.getShort(to + 2L * i) << 16));
      }
    }
  }

  private static void check(float exact, float found) {
    if (Float.isNaN(exact)) {
      assertThat(found).isNaN();
      return;
    }
    int below = Float.floatToRawIntBits(exact) & 0xFFFF0000;
    double low = value(below);
    double high = value(below + 0x10000);
    double toLow = Math.abs(exact - low);
    double toHigh = Math.abs(high - exact);
    boolean isLow = toLow < toHigh || (toLow == toHigh && (below & 0x10000) == 0);
    assertThat(Float.floatToRawIntBits(found)).isEqualTo(isLow ? below : below + 0x10000);
  }

  /** Beyond the largest number comes what would follow it. */
  private static double value(int bits) {
    double value = Float.intBitsToFloat(bits);
    return Double.isInfinite(value) ? Math.copySign(0x1p128, value) : value;
  }
}
