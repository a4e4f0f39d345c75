package io.quern.cpu.conv;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.Shape;
import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.GuardedMemory;
import io.quern.op.Window;
import io.quern.runtime.Raw;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;

/**
 * Machine code over planes has the bits of the scalar loops and touches nothing else: operands end,
 * or begin, at pages that crash the process.
 */
@EnabledIf(value = "isUsed", disabledReason = "no machine code of 512 bits on this machine")
class PlaneCodeTest {
  private static final int MOST = 5;
  private static final long ROOM = 1 << 17;

  private final SplittableRandom random = new SplittableRandom(1);
  private final List<GuardedMemory> memories = new ArrayList<>();
  private final DepthwiseMath scalar = new DepthwiseMath();

  PlaneCodeTest() {
    for (int i = 0; i < 5; i++) {
      memories.add(new GuardedMemory(ROOM));
    }
  }

  static boolean isUsed() {
    return MachineTier.has512Bits();
  }

  private DepthwisePlane plane() {
    int kernel = random.nextInt(1, 5);
    Window window =
        Window.of(kernel, random.nextInt(1, 5))
            .stride(random.nextInt(1, 3))
            .dilation(random.nextInt(1, 3))
            .padding(random.nextInt(2));
    Shape image = Shape.of(1, 1, random.nextInt(8, 40), random.nextInt(8, 90));
    Shape weight = Shape.of(1, 1, window.kernelH(), window.kernelW());
    int spanH = (window.kernelH() - 1) * window.dilationH() + 1;
    int spanW = (window.kernelW() - 1) * window.dilationW() + 1;
    Shape output =
        Shape.of(
            1,
            1,
            (image.dim(2) + 2L * window.padTop() - spanH) / window.strideH() + 1,
            (image.dim(3) + 2L * window.padLeft() - spanW) / window.strideW() + 1);
    return DepthwisePlane.forward(ConvShape.of(window, 1, image, weight, output));
  }

  private long floats(int memory, long count) {
    long at = memories.get(memory).place(4 * count, random.nextBoolean());
    for (long i = 0; i < count; i++) {
      Raw.putFloat(at + 4 * i, (float) random.nextDouble(-2, 2));
    }
    return at;
  }

  @Test
  void filtersHaveTheBitsOfScalars() {
    for (int time = 0; time < 300; time++) {
      DepthwisePlane plane = plane();
      int taps = plane.taps();
      int pixels = plane.rows() * plane.columns();
      int count = random.nextInt(1, MOST + 1);
      long elements = floats(0, plane.bytes() / 4);
      long weights = floats(1, (long) count * taps);
      long bias = floats(2, count);
      long results = floats(3, (long) count * pixels);
      PlaneCode.Pair code = MachineFilter.of(plane, plane.offsets(), 4L * pixels);
      assertThat(code).isNotNull();
      code.run(elements, weights, 4L * taps, bias, 4, results, count);
      for (int filter = 0; filter < count; filter++) {
        long aside = filtered(plane, elements, weights + 4L * taps * filter);
        for (int i = 0; i < pixels; i++) {
          int at = i / plane.columns() * plane.pitch() + i % plane.columns();
          float expected = Raw.getFloat(aside + 4L * at) + Raw.getFloat(bias + 4L * filter);
          float found = Raw.getFloat(results + 4L * (filter * pixels + i));
          if (Float.compare(found, expected) != 0) {
            assertThat(found)
                .as("pixel %d of %dx%d, filter %d", i, plane.rows(), plane.columns(), filter)
                .isEqualTo(expected);
          }
        }
      }
    }
  }

  private long filtered(DepthwisePlane plane, long elements, long weights) {
    int[] offsets = plane.offsets();
    long aside = memories.get(4).place(4L * (plane.positions() + offsets.length), false);
    long table = aside + 4L * plane.positions();
    for (int i = 0; i < offsets.length; i++) {
      Raw.putInt(table + 4L * i, offsets[i]);
    }
    scalar.filter(elements, table, weights, offsets.length, aside, plane.positions());
    return aside;
  }

  @Test
  void correlationsHaveTheBitsOfScalars() {
    for (int time = 0; time < 300; time++) {
      DepthwisePlane plane = plane();
      int taps = plane.taps();
      int pixels = plane.rows() * plane.columns();
      int count = random.nextInt(1, MOST + 1);
      long elements = floats(0, plane.bytes() / 4);
      long matrices = floats(1, (long) count * pixels);
      int laneCount = DepthwiseMath.LANES * taps;
      long lanes = floats(2, (long) count * laneCount);
      long expected = memories.get(3).place(4L * count * laneCount, false);
      Raw.copy(lanes, expected, 4L * count * laneCount);
      PlaneCode.Pair code = MachineCorrelation.of(plane, 4L * pixels);
      assertThat(code).isNotNull();
      code.run(elements, lanes, 4L * laneCount, 0, 0, matrices, count);
      for (int i = 0; i < count; i++) {
        scalar.correlate(
            elements,
            plane.offsets(),
            4L * plane.pitch(),
            matrices + 4L * i * pixels,
            plane.rows(),
            plane.columns(),
            expected + 4L * i * laneCount);
      }
      for (int i = 0; i < count * laneCount; i++) {
        float found = Raw.getFloat(lanes + 4L * i);
        float wanted = Raw.getFloat(expected + 4L * i);
        if (Float.compare(found, wanted) != 0) {
          assertThat(found)
              .as("lane %d, %d matrices of %dx%d", i, count, plane.rows(), plane.columns())
              .isEqualTo(wanted);
        }
      }
    }
  }
}
