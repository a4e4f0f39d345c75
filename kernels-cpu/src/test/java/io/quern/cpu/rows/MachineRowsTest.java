package io.quern.cpu.rows;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.GuardedMemory;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Raw;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;

/**
 * Machine code has the bits of loops over scalars, and touches nothing else: operands end, or
 * begin, at pages that crash the process.
 */
@EnabledIf(value = "isUsed", disabledReason = "no machine code of 512 bits on this machine")
class MachineRowsTest {
  private static final int MOST_ROWS = 5;
  private static final int LONGEST = 400;
  private static final List<MachineRows> OPS = List.of(MachineRows.values());
  private static final float EPSILON = 1e-5f;
  private static final RowMath SCALARS = new ScalarRowMath();

  private final SplittableRandom random = new SplittableRandom(1);
  private final GuardedMemory[] memories = new GuardedMemory[4];
  private final MemoryPool.Block scratch =
      HostMemory.shared().allocate(MachineRows.scratchBytes(LONGEST));
  private final MemoryPool.Block expected = HostMemory.shared().allocate(4L * MOST_ROWS * LONGEST);

  MachineRowsTest() {
    for (int i = 0; i < memories.length; i++) {
      memories[i] = new GuardedMemory(4L * MOST_ROWS * LONGEST);
    }
  }

  static boolean isUsed() {
    return MachineTier.has512Bits();
  }

  @Test
  void rowsHaveTheBitsOfScalars() {
    check(3_000);
  }

  @Test
  @Tag("soak")
  void manyRows() {
    check(300_000);
  }

  private void check(int times) {
    for (int i = 0; i < times; i++) {
      MachineRows op = OPS.get(random.nextInt(OPS.size()));
      // What is stored past the caches are rows of whole lines.
      boolean streams = random.nextBoolean();
      int length = streams ? 16 * random.nextInt(1, 20) : random.nextInt(1, LONGEST);
      int rows = random.nextInt(1, MOST_ROWS + 1);
      long x = place(0, rows * length);
      boolean inPlace = random.nextInt(4) == 0;
      long to = inPlace ? x : memories[3].place(4L * rows * length, random.nextBoolean());
      long gamma = place(1, length);
      long beta = place(2, length);
      compute(op, rows, length, x, gamma, beta);
      op.run(x, gamma, beta, to, EPSILON, streams, length, rows, scratch.address());
      for (long at = 0; at < 4L * rows * length; at += 4) {
        float found = Raw.getFloat(to + at);
        float wanted = Raw.getFloat(expected.address() + at);
        if (Float.floatToIntBits(found) != Float.floatToIntBits(wanted)) {
          assertThat(found)
              .as("element %d of %s of %d rows of %d", at / 4, op, rows, length)
              .isEqualTo(wanted);
        }
      }
    }
  }

  private long place(int memory, int count) {
    long address = memories[memory].place(4L * count, random.nextBoolean());
    for (int i = 0; i < count; i++) {
      boolean isSpecial = random.nextInt(200) == 0;
      float any = Float.intBitsToFloat(random.nextInt());
      Raw.putFloat(address + 4L * i, isSpecial ? any : (float) random.nextDouble(-9, 9));
    }
    return address;
  }

  private void compute(MachineRows op, int rows, int length, long x, long gamma, long beta) {
    long lanes = scratch.address();
    for (int row = 0; row < rows; row++) {
      long from = x + 4L * row * length;
      long to = expected.address() + 4L * row * length;
      switch (op) {
        case SOFTMAX -> {
          float max = SCALARS.max(from, length);
          float _ = SCALARS.exp(from, max, length, to, lanes, from);
          SCALARS.scale(to, 1 / SCALARS.fold(lanes), length);
        }
        case LAYER_NORM -> {
          float mean = SCALARS.sum(from, length, lanes) / length;
          float scale = scale(SCALARS.squares(from, mean, length, lanes) / length);
          SCALARS.normalise(from, mean, scale, gamma, beta, length, to);
        }
        case RMS_NORM -> {
          float scale = scale(SCALARS.squares(from, 0, length, lanes) / length);
          SCALARS.rescale(from, scale, gamma, length, to);
        }
      }
    }
  }

  private static float scale(float squares) {
    return 1 / (float) Math.sqrt(squares + EPSILON);
  }
}
