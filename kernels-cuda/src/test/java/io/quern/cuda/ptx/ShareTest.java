package io.quern.cuda.ptx;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.runtime.MathConstants;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The steps of {@link PtxWriter#share} give quotients, whatever the device's inverse is. */
class ShareTest {
  /** Every 997th float x between two, over x + c: those of sigmoid, gelu and tanh. */
  @ParameterizedTest
  @CsvSource({"0, 1, 1", "0, " + MathConstants.GELU_MAX + ", " + MathConstants.GELU_K, "1, 7e7, 2"})
  void isTheQuotient(float least, float most, float c) {
    for (int bits = Float.floatToIntBits(least); bits <= Float.floatToIntBits(most); bits += 997) {
      float x = Float.intBitsToFloat(bits);
      for (int off = -3; off <= 3; off++) {
        float found = share(x, x + c, off);
        if (found != x / (x + c)) {
          assertThat(found).as("%s over %s more", x, c).isEqualTo(x / (x + c));
        }
      }
    }
  }

  private static float share(float part, float whole, int off) {
    float inverse = Float.intBitsToFloat(Float.floatToIntBits(1 / whole) + off);
    inverse = Math.fma(Math.fma(-whole, inverse, 1), inverse, inverse);
    float share = part * inverse;
    return Math.fma(Math.fma(-whole, share, part), inverse, share);
  }
}
