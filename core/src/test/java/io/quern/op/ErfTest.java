package io.quern.op;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ErfTest {
  @ParameterizedTest
  @CsvSource({
    "0, 0",
    "1e-10, 1.1283791670955126e-10",
    "0.1, 0.1124629160182849",
    "0.5, 0.5204998778130465",
    "1, 0.8427007929497149",
    "1.5, 0.9661051464753108",
    "2, 0.9953222650189527",
    "2.5, 0.9995930479825551",
    "3, 0.9999779095030014",
    "4, 0.9999999845827421",
    "6, 1",
  })
  void erfAsInTables(double x, double expected) {
    assertThat(Erf.erf(x)).isCloseTo(expected, within(4e-16 * Math.max(expected, 1e-10)));
    assertThat(Erf.erf(-x)).isEqualTo(-Erf.erf(x));
  }

  @ParameterizedTest
  @CsvSource({
    "0, 1, 1e-16",
    "0.5, 0.4795001221869535, 4e-16",
    "1, 0.15729920705028513, 2e-15",
    "2, 0.004677734981047266, 1e-13",
    "2.5, 4.069520174449589e-4, 2e-15",
    "3, 2.209049699858544e-5, 2e-15",
    "5, 1.5374597944280349e-12, 4e-15",
    "10, 2.088487583762545e-45, 1e-14",
    "26, 5.663192408856143e-296, 1e-13",
  })
  void erfcAsInTables(double x, double expected, double relative) {
    assertThat(Erf.erfc(x)).isCloseTo(expected, within(relative * expected));
  }

  @Test
  void ends() {
    assertThat(Erf.erf(Double.POSITIVE_INFINITY)).isEqualTo(1);
    assertThat(Erf.erf(Double.NEGATIVE_INFINITY)).isEqualTo(-1);
    assertThat(Erf.erfc(Double.NEGATIVE_INFINITY)).isEqualTo(2);
    assertThat(Erf.erfc(Double.POSITIVE_INFINITY)).isZero();
    assertThat(Erf.erf(Double.NaN)).isNaN();
    assertThat(Erf.erfc(Double.NaN)).isNaN();
  }
}
