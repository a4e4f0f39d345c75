package io.quern.cpu.pool;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.DType;
import io.quern.Shape;
import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.GuardedMemory;
import io.quern.op.Pool2d;
import io.quern.op.TensorSpec;
import io.quern.op.Window;
import io.quern.runtime.Raw;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;

/** Maxima of images of bytes, which end, or begin, at pages that crash the process. */
@EnabledIf(value = "isUsed", disabledReason = "no machine code for bytes here")
class BytePoolKernelTest {
  private static final int MOST = 150;

  private final SplittableRandom random = new SplittableRandom(6);
  private final GuardedMemory images = new GuardedMemory(2 * 9 * MOST);
  private final GuardedMemory results = new GuardedMemory(2 * 20 * 2 * MOST);

  static boolean isUsed() {
    return MachineTier.multipliesBytes();
  }

  @Test
  void maximaAreRightAndStayWithinTheirOperands() {
    check(3_000);
  }

  @Test
  @Tag("soak")
  void manyMaxima() {
    check(1_000_000);
  }

  private void check(int times) {
    for (int i = 0; i < times; i++) {
      int kernelH = random.nextInt(1, 4);
      int kernelW = random.nextInt(1, 4);
      Window window =
          new Window(
              kernelH,
              kernelW,
              random.nextInt(1, 4),
              random.nextInt(1, 3),
              random.nextInt(kernelH),
              random.nextInt(kernelW),
              random.nextInt(kernelH),
              random.nextInt(kernelW),
              1,
              1);
      int h = random.nextInt(kernelH, 9);
      int w = random.nextInt(kernelW, MOST);
      check(new Pool2d(Pool2d.Fn.MAX, window, true), Shape.of(1, 2, h, w), random.nextBoolean());
    }
  }

  private void check(Pool2d pool, Shape image, boolean signed) {
    TensorSpec spec = new TensorSpec(signed ? DType.I8 : DType.U8, image);
    Shape output = pool.infer(List.of(spec)).getFirst().shape();
    PoolShape shape = PoolShape.of(pool, image, output);
    long from = images.place(image.size(), random.nextBoolean());
    for (long at = 0; at < image.size(); at++) {
      Raw.putByte(from + at, (byte) random.nextInt());
    }
    long to = results.place(output.size(), random.nextBoolean());
    new BytePoolKernel(shape, signed).pool(from, to, 0, 2);
    for (int i = 0; i < output.size(); i++) {
      int x = i % shape.ow();
      int y = i / shape.ow() % shape.oh();
      long plane = from + (long) (i / shape.ow() / shape.oh()) * shape.h() * shape.w();
      byte expected = maximum(shape, plane, y, x, signed);
      if (Raw.getByte(to + i) != expected) {
        assertThat(Raw.getByte(to + i))
            .as("%s of %s, %d, %d", pool, spec, y, x)
            .isEqualTo(expected);
      }
    }
  }

  private static byte maximum(PoolShape shape, long plane, int y, int x, boolean signed) {
    int largest = Integer.MIN_VALUE;
    for (int row = shape.firstRow(y); row < shape.endRow(y); row++) {
      for (int column = shape.firstColumn(x); column < shape.endColumn(x); column++) {
        byte value = Raw.getByte(plane + (long) row * shape.w() + column);
        largest = Math.max(largest, signed ? value : value & 0xFF);
      }
    }
    return (byte) largest;
  }
}
