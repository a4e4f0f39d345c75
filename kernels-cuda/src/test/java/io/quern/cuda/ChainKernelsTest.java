package io.quern.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.Device;
import io.quern.Tensor;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Elementwise functions of so many elements that a thread computes two runs of them. */
@EnabledIf(
    value = "io.quern.cuda.StandIn#isReady",
    disabledReason = "there is no GPU, and no g++ on x86-64 to build a stand-in")
class ChainKernelsTest {
  private static final int LONG = 1 << 20;

  /** The last block has all runs, only first ones, and a part of a first or of a second one. */
  @ParameterizedTest
  @ValueSource(ints = {LONG, LONG + 3, LONG + 1024, LONG + 1022, LONG + 1029, LONG + 2047})
  void longOperands(int count) {
    float[] values = new float[count];
    float[] expected = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = i % 1_000_003;
      expected[i] = -values[i];
    }
    Tensor x = Tensor.of(values).to(Device.of("cuda"));
    assertThat(x.neg().to(Device.reference()).toFloatArray()).isEqualTo(expected);
    float[] sum = x.add(x.neg()).to(Device.reference()).toFloatArray();
    assertThat(sum).isEqualTo(new float[count]);
  }
}
