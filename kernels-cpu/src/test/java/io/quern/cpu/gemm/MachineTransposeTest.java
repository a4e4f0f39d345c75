package io.quern.cpu.gemm;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.cpu.asm.GuardedMemory;
import io.quern.runtime.Raw;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;

/** Every element goes where it belongs, and nothing else is touched up to the pages around. */
@EnabledIf(value = "isUsed", disabledReason = "no machine code of 512 bits on this machine")
class MachineTransposeTest {
  private static final int MOST = 70;
  private static final int GAP = 3;
  private static final float SENTINEL = 12345;

  static boolean isUsed() {
    return MachineTranspose.isUsed();
  }

  @Test
  void matricesBetweenPagesThatCrash() {
    long bytes = 4L * MOST * (MOST + GAP);
    GuardedMemory sources = new GuardedMemory(bytes);
    GuardedMemory targets = new GuardedMemory(bytes);
    GuardedMemory scratch = new GuardedMemory(Transpose.SCRATCH);
    MachineTranspose transpose = new MachineTranspose();
    SplittableRandom random = new SplittableRandom(1);
    for (int time = 0; time < 2_000; time++) {
      int rows = random.nextInt(1, MOST + 1);
      int columns = random.nextInt(1, MOST + 1);
      int width = columns + random.nextInt(GAP + 1);
      int height = rows + random.nextInt(GAP + 1);
      boolean atEnd = random.nextBoolean();
      long from = sources.place(4L * ((rows - 1) * width + columns), atEnd);
      for (int i = 0; i < (rows - 1) * width + columns; i++) {
        Raw.putFloat(from + 4L * i, i);
      }
      int size = (columns - 1) * height + rows;
      long to = targets.place(4L * size, atEnd);
      for (int i = 0; i < size; i++) {
        Raw.putFloat(to + 4L * i, SENTINEL);
      }
      long aside = scratch.place(Transpose.SCRATCH, atEnd);
      transpose.run(from, 4L * width, rows, columns, to, 4L * height, aside);
      for (int i = 0; i < size; i++) {
        int row = i % height;
        float expected = row < rows ? row * width + i / height : SENTINEL;
        if (Raw.getFloat(to + 4L * i) != expected) {
          assertThat(Raw.getFloat(to + 4L * i))
              .as("element %d of the transpose of %dx%d", i, rows, columns)
              .isEqualTo(expected);
        }
      }
    }
  }
}
