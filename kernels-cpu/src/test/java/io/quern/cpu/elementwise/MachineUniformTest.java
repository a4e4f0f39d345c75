package io.quern.cpu.elementwise;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.GuardedMemory;
import io.quern.runtime.Philox;
import io.quern.runtime.Raw;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;

/** The numbers are those of the scalar generator, between pages that crash the process. */
@EnabledIf(value = "isUsed", disabledReason = "no machine code of 512 bits on this machine")
class MachineUniformTest {
  private static final int MOST = 300;
  private static final float SENTINEL = 7;

  private final SplittableRandom random = new SplittableRandom(1);
  private final GuardedMemory memory = new GuardedMemory(4L * MOST);

  static boolean isUsed() {
    return MachineTier.has512Bits();
  }

  @Test
  void numbersAreThoseOfTheScalarGenerator() {
    check(10_000);
  }

  @Test
  @Tag("soak")
  void manyNumbers() {
    check(1_000_000);
  }

  private void check(int times) {
    int[] words = new int[4];
    for (int i = 0; i < times; i++) {
      int count = random.nextInt(1, MOST);
      int behind = random.nextInt(Math.min(8, MOST - count) + 1);
      long to = memory.place(4L * (count + behind), behind == 0 && random.nextBoolean());
      for (int k = 0; k < count + behind; k++) {
        Raw.putFloat(to + 4L * k, SENTINEL);
      }
      long seed = random.nextLong();
      long counter = counter();
      MachineUniform.draw(seed, counter, to, count);
      for (int k = 0; k < count + behind; k++) {
        if (k % 4 == 0) {
          Philox.block(seed, counter + k / 4, 0, words);
        }
        float expected = k < count ? (words[k % 4] >>> 8) * 0x1p-24f : SENTINEL;
        if (Raw.getFloat(to + 4L * k) != expected) {
          assertThat(Raw.getFloat(to + 4L * k))
              .as("float %d of %d, seed %d, counter %d", k, count, seed, counter)
              .isEqualTo(expected);
        }
      }
    }
  }

  /** Any, and often one at which a half or the whole begins anew. */
  private long counter() {
    long near = random.nextInt(-80, 80);
    return switch (random.nextInt(4)) {
      case 0 -> near;
      case 1 -> near + (1L << 32);
      case 2 -> near + Long.MIN_VALUE;
      default -> random.nextLong();
    };
  }
}
