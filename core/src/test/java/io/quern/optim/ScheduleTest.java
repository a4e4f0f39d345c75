package io.quern.optim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

class ScheduleTest {
  @Test
  void constantStays() {
    assertThat(Schedule.constant(0.1).at(0)).isEqualTo(0.1);
    assertThat(Schedule.constant(0.1).at(1_000_000)).isEqualTo(0.1);
  }

  /** The example in the documentation of PyTorch's StepLR. */
  @Test
  void stepFallsAtItsSteps() {
    Schedule schedule = Schedule.step(0.05, 30, 0.1);
    assertThat(schedule.at(0)).isEqualTo(0.05);
    assertThat(schedule.at(29)).isEqualTo(0.05);
    assertThat(schedule.at(30)).isCloseTo(0.005, within(1e-17));
    assertThat(schedule.at(59)).isCloseTo(0.005, within(1e-17));
    assertThat(schedule.at(60)).isCloseTo(0.0005, within(1e-18));
  }

  @Test
  void cosineFallsAlongHalfAWave() {
    Schedule schedule = Schedule.cosine(0.4, 0.2, 100);
    assertThat(schedule.at(0)).isEqualTo(0.4);
    assertThat(schedule.at(25)).isCloseTo(0.2 + 0.1 * (1 + Math.sqrt(0.5)), within(1e-15));
    assertThat(schedule.at(50)).isCloseTo(0.3, within(1e-15));
    assertThat(schedule.at(100)).isEqualTo(0.2);
    assertThat(schedule.at(1000)).isEqualTo(0.2);
    assertThat(Schedule.cosine(1, 10).at(10)).isZero();
  }

  /** With PyTorch's defaults: the peak is step 0.3 * 1000 - 1, the end step 999. */
  @Test
  void oneCycleRisesAndFalls() {
    Schedule schedule = Schedule.oneCycle(0.01, 1000);
    assertThat(schedule.at(0)).isCloseTo(0.0004, within(1e-18));
    assertThat(schedule.at(299)).isCloseTo(0.01, within(1e-16));
    assertThat(schedule.at(149) + schedule.at(150)).isCloseTo(0.0104, within(1e-15));
    assertThat(schedule.at(649)).isCloseTo((0.01 + 4e-8) / 2, within(1e-16));
    assertThat(schedule.at(999)).isCloseTo(4e-8, within(1e-18));
    assertThat(schedule.at(5000)).isCloseTo(4e-8, within(1e-18));
    for (int step = 1; step < 1000; step++) {
      assertThat(schedule.at(step) > schedule.at(step - 1)).isEqualTo(step <= 299);
    }
  }

  @Test
  void oneCycleOfFewStepsIsFinite() {
    for (int steps = 1; steps < 12; steps++) {
      for (double rising : new double[] {0.1, 0.3, 0.5, 0.9}) {
        Schedule schedule = Schedule.oneCycle(1, steps, rising, 25, 1e4);
        for (int step = 0; step < steps + 2; step++) {
          assertThat(schedule.at(step)).isFinite().isBetween(0.0, 1.0);
        }
      }
    }
  }

  @Test
  void warmUpScalesTheFirstSteps() {
    Schedule schedule = Schedule.constant(0.8).warmUp(4);
    assertThat(schedule.at(0)).isEqualTo(0.2);
    assertThat(schedule.at(1)).isEqualTo(0.4);
    assertThat(schedule.at(3)).isEqualTo(0.8);
    assertThat(schedule.at(4)).isEqualTo(0.8);
    Schedule cosine = Schedule.cosine(1, 100).warmUp(10);
    assertThat(cosine.at(4)).isEqualTo(Schedule.cosine(1, 100).at(4) * 0.5);
    assertThat(cosine.at(50)).isEqualTo(Schedule.cosine(1, 100).at(50));
  }

  @Test
  void badFiguresAreNamed() {
    assertThatThrownBy(() -> Schedule.constant(-1))
        .hasMessage("schedule: rates must be finite and 0 or more, found -1.0");
    assertThatThrownBy(() -> Schedule.constant(Double.NaN)).hasMessageContaining("found NaN");
    assertThatThrownBy(() -> Schedule.cosine(1, 0))
        .hasMessage("schedule: steps must be 1 or more, found 0");
    assertThatThrownBy(() -> Schedule.step(1, 0, 0.5)).hasMessageContaining("every must be 1");
    assertThatThrownBy(() -> Schedule.oneCycle(1, 10, 1, 25, 1e4))
        .hasMessageContaining("the rising share must be between 0 and 1");
  }
}
