package io.quern.cpu.optim;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.backend.Buffer;
import io.quern.backend.Operands;
import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.GuardedMemory;
import io.quern.op.AdamStep;
import io.quern.op.SgdStep;
import io.quern.runtime.Raw;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;

/**
 * Machine code has the bits of loops over scalars, and touches nothing else: operands end, or
 * begin, at pages that crash the process.
 */
@EnabledIf(value = "isUsed", disabledReason = "no machine code of 512 bits on this machine")
class MachineStepMathTest {
  private static final int LONGEST = 200;
  private static final StepMath SCALARS = new ScalarStepMath();

  private final SplittableRandom random = new SplittableRandom(1);
  private final StepMath code = isUsed() ? new MachineStepMath() : SCALARS;
  private final GuardedMemory[] memories = new GuardedMemory[11];

  MachineStepMathTest() {
    for (int i = 0; i < memories.length; i++) {
      memories[i] = new GuardedMemory(4 * LONGEST);
    }
  }

  static boolean isUsed() {
    return MachineTier.has512Bits();
  }

  /** Memory at an address. */
  private static final class Place extends Buffer {
    private final long address;

    Place(long address) {
      this.address = address;
    }

    @Override
    public long byteSize() {
      return Long.MAX_VALUE;
    }

    @Override
    public long address() {
      return address;
    }

    @Override
    public void release() {}
  }

  @Test
  void stepsHaveTheBitsOfScalars() {
    check(3_000);
  }

  @Test
  @Tag("soak")
  void manySteps() {
    check(1_000_000);
  }

  private void check(int times) {
    for (int i = 0; i < times; i++) {
      boolean adam = random.nextBoolean();
      boolean flag = random.nextBoolean();
      double decay = random.nextBoolean() ? 0 : 0.01;
      int n = random.nextInt(LONGEST);
      int first = random.nextInt(LONGEST - n);
      int inputs = adam ? 4 : 3;
      int results = adam ? 3 : 2;
      Place[] in = new Place[inputs + 1];
      for (int j = 0; j < inputs; j++) {
        in[j] = filled(memories[j], first + n);
      }
      in[inputs] = filled(memories[inputs], 3);
      Operands found = operands(in, results, 5, first + n);
      Operands wanted = operands(in, results, 8, first + n);
      if (adam) {
        AdamStep op = new AdamStep(0.9, 0.99, 1e-8, decay, flag);
        code.adam(op, found, first, n);
        SCALARS.adam(op, wanted, first, n);
      } else {
        SgdStep op = new SgdStep(0.9, flag, decay);
        code.sgd(op, found, first, n);
        SCALARS.sgd(op, wanted, first, n);
      }
      for (int result = inputs + 1; result < found.count(); result++) {
        for (long at = 0; at < 4L * (first + n); at += 4) {
          int one = Raw.getInt(found.address(result) + at);
          int other = Raw.getInt(wanted.address(result) + at);
          assertThat(one).as("element %d of operand %d of %d", at / 4, result, n).isEqualTo(other);
        }
      }
    }
  }

  private Operands operands(Place[] in, int results, int memory, int n) {
    Buffer[] buffers = new Buffer[in.length + results];
    System.arraycopy(in, 0, buffers, 0, in.length);
    for (int i = 0; i < results; i++) {
      long address = memories[memory + i].place(4L * n, random.nextBoolean());
      Raw.zero(address, 4L * n);
      buffers[in.length + i] = new Place(address);
    }
    return new Operands(buffers, new long[buffers.length]);
  }

  /** Positive numbers: second moments are. */
  private Place filled(GuardedMemory memory, int n) {
    long address = memory.place(4L * n, random.nextBoolean());
    for (int i = 0; i < n; i++) {
      Raw.putFloat(address + 4L * i, (float) random.nextDouble(0.01, 1));
    }
    return new Place(address);
  }
}
