package io.quern.serve;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class BatchPolicyTest {
  private static final long RUN = 2_000_000;

  private final BatchPolicy policy = new BatchPolicy(32, 1_000_000);

  @Test
  void aLoneCallerIsServedAtOnce() {
    assertThat(policy.target()).isEqualTo(1);
    policy.ran(1, RUN, 0);
    assertThat(policy.target()).isEqualTo(1);
  }

  @Test
  void thoseSeenInTheLastRunAreExpectedAgain() {
    policy.ran(1, RUN, 31);
    assertThat(policy.target()).isEqualTo(32);
    policy.ran(10, RUN, 5);
    assertThat(policy.target()).isEqualTo(15);
    policy.ran(32, RUN, 100);
    assertThat(policy.target()).isEqualTo(32);
  }

  @Test
  void waitingInVainIsDoneLessAndLessOften() {
    int waits = 0;
    for (int run = 0; run < 1000; run++) {
      if (policy.target() > 1) {
        waits++;
        policy.waited(1, 1);
      }
      policy.ran(1, RUN, 1);
    }
    assertThat(waits).isBetween(10, 30);
  }

  @Test
  void waitingThatPaysIsKeptUp() {
    for (int run = 0; run < 100; run++) {
      policy.ran(1, RUN, 1);
      assertThat(policy.target()).isEqualTo(2);
      policy.waited(1, 2);
    }
  }

  @Test
  void theDelayEndsWaitingAndSoDoesTheTimeOfARun() {
    policy.ran(1, RUN, 3);
    assertThat(policy.patience()).isEqualTo(1_000_000);
    policy.ran(1, 7_000, 3);
    assertThat(policy.patience()).isEqualTo(7_000);
  }

  @Test
  void withoutDelayNobodyWaits() {
    BatchPolicy eager = new BatchPolicy(32, 0);
    eager.ran(8, RUN, 8);
    assertThat(eager.target()).isEqualTo(1);
  }
}
