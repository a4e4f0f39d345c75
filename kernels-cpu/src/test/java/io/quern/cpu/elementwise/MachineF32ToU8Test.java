package io.quern.cpu.elementwise;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.GuardedMemory;
import io.quern.runtime.Raw;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;

@EnabledIf(value = "isUsed", disabledReason = "no machine code of 512 bits on this machine")
class MachineF32ToU8Test {
  private static final int MOST = 100;
  private static final float[] SPECIAL = {
    Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY, 3e9f, -3e9f, -0f, 254.99f, 255.5f,
  };

  private final SplittableRandom random = new SplittableRandom(1);

  static boolean isUsed() {
    return MachineTier.has512Bits();
  }

  /** As Java converts, between pages that crash the process. */
  @Test
  void bytesAreThoseOfJava() {
    GuardedMemory floats = new GuardedMemory(4 * MOST);
    GuardedMemory bytes = new GuardedMemory(MOST);
    for (int round = 0; round < 2000; round++) {
      int n = random.nextInt(MOST + 1);
      long from = floats.place(4L * n, random.nextBoolean());
      long to = bytes.place(n, random.nextBoolean());
      for (int i = 0; i < n; i++) {
        boolean isSpecial = random.nextInt(4) == 0;
        float x =
            isSpecial
                ? SPECIAL[random.nextInt(SPECIAL.length)]
                : (float) random.nextDouble(-300, 600);
        Raw.putFloat(from + 4L * i, x);
      }
      new MachineF32ToU8().run(from, 0, 0, to, n);
      for (int i = 0; i < n; i++) {
        int expected = Math.clamp((int) Raw.getFloat(from + 4L * i), 0, 255);
        assertThat(Raw.getByte(to + i) & 0xFF).isEqualTo(expected);
      }
    }
  }
}
