package io.quern.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.Device;
import org.junit.jupiter.api.Test;

class InfoCommandTest {
  @Test
  void devicesKernelsAndMemoryAreShown() {
    Cli result = Cli.run("info");
    assertThat(result.code()).isZero();
    assertThat(result.err()).isEmpty();
    assertThat(result.out())
        .contains("java     " + Runtime.version())
        .contains("cores")
        .contains("compute")
        .contains("iB at most")
        .contains("reference: scalar loops")
        .contains(Device.cpu() + " (default): " + Device.cpu().describe());
    Device.cpu()
        .context()
        .kernels()
        .forEach((op, names) -> assertThat(result.out()).contains(op).contains(names));
    for (String advice : Device.cpu().advice()) {
      assertThat(result.out()).contains("faster: " + advice);
    }
  }

  @Test
  void knobsAreListedWithValuesAndPurpose() {
    Cli result = Cli.run("info", "--knobs");
    assertThat(result.code()).isZero();
    assertThat(result.out())
        .contains("quern.threads = 0\n  threads that compute")
        .contains("quern.memory.limit = ")
        .contains("quern.debug = ")
        .contains("QUERN_THREADS");
  }
}
