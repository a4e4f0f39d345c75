package io.quern.cpu.elementwise;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.DType;
import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.GuardedMemory;
import io.quern.op.Quantization;
import io.quern.op.QuantizedAdd;
import io.quern.runtime.Raw;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;

/** Sums of bytes, whose operands end, or begin, at pages that crash the process. */
@EnabledIf(value = "isUsed", disabledReason = "no machine code for 512 bits here")
class QuantizedAddKernelTest {
  private static final int MOST = 100;

  private final SplittableRandom random = new SplittableRandom(5);
  private final GuardedMemory left = new GuardedMemory(MOST);
  private final GuardedMemory right = new GuardedMemory(MOST);
  private final GuardedMemory results = new GuardedMemory(MOST);

  static boolean isUsed() {
    return MachineTier.has512Bits();
  }

  @Test
  void sumsAreRightAndStayWithinTheirOperands() {
    check(5_000);
  }

  @Test
  @Tag("soak")
  void manySums() {
    check(1_000_000);
  }

  private void check(int times) {
    for (int i = 0; i < times; i++) {
      int n = random.nextInt(MOST + 1);
      boolean signed = random.nextBoolean();
      int zeroA = signed ? random.nextInt(-128, 128) : random.nextInt(256);
      QuantizedAdd op =
          new QuantizedAdd(0.7f, zeroA, 0.4f, 131, Quantization.of(DType.U8, random.nextInt(256)));
      DType dtype = signed ? DType.I8 : DType.U8;
      QuantizedAddKernel kernel = new QuantizedAddKernel(op, dtype, DType.U8, n);
      long a = bytes(left, n);
      long b = bytes(right, n);
      long to = results.place(n, random.nextBoolean());
      kernel.add(a, b, to, n);
      for (int j = 0; j < n; j++) {
        int x = signed ? Raw.getByte(a + j) : Raw.getByte(a + j) & 0xFF;
        float sum = (x - zeroA) * 0.7f + ((Raw.getByte(b + j) & 0xFF) - 131) * 0.4f;
        double moved = Math.rint(sum) + op.result().zero();
        byte expected = (byte) (int) Math.max(0, Math.min(255, moved));
        if (Raw.getByte(to + j) != expected) {
          assertThat(Raw.getByte(to + j)).as("element %d of %d, %s", j, n, op).isEqualTo(expected);
        }
      }
    }
  }

  private long bytes(GuardedMemory memory, long size) {
    long address = memory.place(size, random.nextBoolean());
    for (long at = 0; at < size; at++) {
      Raw.putByte(address + at, (byte) random.nextInt());
    }
    return address;
  }
}
