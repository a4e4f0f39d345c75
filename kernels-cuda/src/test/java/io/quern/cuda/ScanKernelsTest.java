package io.quern.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.Device;
import io.quern.Tensor;
import io.quern.op.CumSum;
import java.util.SplittableRandom;
import java.util.function.Function;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Running sums of integers, which are exact whatever their order. */
@EnabledIf(
    value = "io.quern.cuda.StandIn#isReady",
    disabledReason = "there is no GPU, and no g++ on x86-64 to build a stand-in")
class ScanKernelsTest {
  private static final boolean[] BOTH = {false, true};

  /**
   * Lanes by thread, by warp, by block, side by side and in parts, at multiples of 16 bytes and
   * beyond.
   */
  @ParameterizedTest
  @CsvSource({
    "4100, 1, 1",
    "4100, 7, 1",
    "4100, 100, 1",
    "4097, 128, 1",
    "4097, 132, 1",
    "4096, 1100, 1",
    "2050, 60, 2",
    "130, 50, 32",
    "31, 300, 35",
    "1, 257, 1030",
    "2, 512, 512",
    "256, 8200, 1",
    "3, 20001, 1",
    "2, 20004, 1",
    "1, 9000, 3",
    "1, 4202496, 1",
    "2, 2105345, 1"
  })
  void cumSum(int outer, int length, int inner) {
    long count = (long) outer * length * inner;
    Tensor longer = integers(Math.toIntExact(count + 1));
    for (long offset = 0; offset < 2; offset++) {
      long from = offset;
      Function<Device, Tensor> x =
          device -> longer.to(device).slice(0, from, from + count).reshape(outer, length, inner);
      for (boolean reverse : BOTH) {
        CumSum op = new CumSum(1, reverse == (offset == 0), reverse);
        assertThat(sums(op, x.apply(Device.of("cuda"))))
            .as("%s from %d on", op, offset)
            .isEqualTo(sums(op, x.apply(Device.reference())));
      }
    }
  }

  private static Tensor integers(int count) {
    SplittableRandom random = new SplittableRandom(1);
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = random.nextInt(-9, 10);
    }
    return Tensor.of(values);
  }

  private static float[] sums(CumSum op, Tensor x) {
    return Tensor.apply(op, x).to(Device.reference()).reshape(-1).toFloatArray();
  }
}
