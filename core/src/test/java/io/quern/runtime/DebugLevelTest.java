package io.quern.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class DebugLevelTest {
  @ParameterizedTest
  @CsvSource({
    "0, 0",
    "1, 1",
    "' 6 ', 6",
    "on, 1",
    "ON, 1",
    "true, 1",
    "off, 0",
    "false, 0",
    "'', 0"
  })
  void valuesStandForLevels(String value, int level) {
    assertThat(DebugLevel.parse(value)).isEqualTo(level);
  }

  @ParameterizedTest
  @ValueSource(strings = {"7", "-1", "10", "yes", "1k"})
  void otherValuesAreRefused(String value) {
    assertThatThrownBy(() -> DebugLevel.parse(value))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("quern.debug: expected 0 to 6, on or off, found " + value);
  }

  @Test
  void isDeclaredOnce() {
    assertThat(DebugLevel.inForce()).isBetween(0, 6);
    assertThat(Knob.all()).filteredOn(knob -> knob.name().equals("quern.debug")).hasSize(1);
  }
}
