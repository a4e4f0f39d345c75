package io.quern.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class KnobTest {
  private static final Knob KNOB = Knob.of("quern.test.knob", "3", "for this test");

  @AfterEach
  void clear() {
    System.clearProperty(KNOB.name());
  }

  @Test
  void propertyBeatsFallback() {
    assertThat(KNOB.value()).isEqualTo("3");
    System.setProperty(KNOB.name(), "4");
    assertThat(KNOB.value()).isEqualTo("4");
    assertThat(KNOB.intValue(0, 10)).isEqualTo(4);
  }

  @Test
  void declaredKnobsAreListed() {
    assertThat(Knob.all()).contains(KNOB);
  }

  @ParameterizedTest
  @CsvSource({
    "0, 0",
    "12, 12",
    "-1, -1",
    "4k, 4096",
    "512m, 536870912",
    "2G, 2147483648",
    "1t, 1099511627776",
    "' 7 ', 7",
  })
  void numbersMayHaveSuffixes(String text, long expected) {
    System.setProperty(KNOB.name(), text);
    assertThat(KNOB.longValue()).isEqualTo(expected);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "m", "1.5", "many", "4 k", "1mb", "9223372036854775807k"})
  void badNumbersNameTheKnobAndTheValue(String text) {
    System.setProperty(KNOB.name(), text);
    assertThatIllegalArgumentException()
        .isThrownBy(KNOB::longValue)
        .withMessage("quern.test.knob: expected a whole number such as 4 or 512m, found " + text);
  }

  @Test
  void numbersOutsideOfTheRangeAreRefused() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> KNOB.intValue(4, 8))
        .withMessage("quern.test.knob: expected 4 to 8, found 3");
  }

  @Test
  void switches() {
    System.setProperty(KNOB.name(), "on");
    assertThat(KNOB.isOn()).isTrue();
    System.setProperty(KNOB.name(), " OFF ");
    assertThat(KNOB.isOn()).isFalse();
    System.setProperty(KNOB.name(), "maybe");
    assertThatIllegalArgumentException()
        .isThrownBy(KNOB::isOn)
        .withMessage("quern.test.knob: expected on or off, found maybe");
  }
}
