package io.quern.opencl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.quern.DType;
import io.quern.Device;
import io.quern.Quern;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.gpu.GpuContext;
import io.quern.op.TensorSpec;
import io.quern.plan.Compiled;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;

@EnabledIf(value = "io.quern.opencl.Devices#areThere", disabledReason = Devices.MISSING)
class OpenClContextTest {
  private static final int CYCLES = 10_000;

  private final Device device = Device.of("opencl");
  private final OpenClGpu gpu = new OpenClGpu(Library.get().devices().getFirst());
  private final GpuContext context = (GpuContext) device.context();

  @Test
  void objectsAreGivenBack() {
    TensorSpec spec = new TensorSpec(DType.F32, Shape.of(64));
    Compiled compiled =
        Quern.compile(
            device, in -> List.of(in.getFirst().mul(2).sum(), in.getFirst().neg()), List.of(spec));
    int before = 0;
    for (int i = 0; i < CYCLES; i++) {
      if (i == CYCLES / 10) {
        before = OpenClGpu.objects();
      }
      try (Tensor x = Tensor.full(i, DType.F32, device, 64);
          Tensor y = x.add(x)) {
        Tensor[] results = compiled.runAll(y);
        if (i % 1000 == 0) {
          assertThat(results[0].toFloatArray()).containsExactly(64f * 2 * 2 * i);
          assertThat(results[1].toFloatArray()).containsOnly(-2f * i);
        }
        results[0].close();
        results[1].close();
      }
    }
    assertThat(OpenClGpu.objects()).isEqualTo(before);
  }

  @Test
  void tooMuchMemoryIsToldAndSurvived() {
    long most = gpu.memory();
    assertThatExceptionOfType(OutOfMemoryError.class)
        .isThrownBy(() -> context.allocate(2 * most))
        .withMessageContaining("bytes do not fit")
        .withMessageContaining("quern.opencl.memory.limit");
    assertThat(Tensor.full(3, DType.F32, device, 5).toFloatArray()).containsOnly(3);
  }

  @Test
  void aProgramThatDoesNotBuildShowsTheLog() {
    assertThatExceptionOfType(OpenClException.class)
        .isThrownBy(() -> gpu.load("kernel void broken() { undeclared = 1; }"))
        .withMessageContaining("undeclared")
        .satisfies(e -> assertThat(e.isSticky()).isFalse());
  }

  @Test
  void builtProgramsAreTakenFromTheCache() {
    String source = "kernel void one(global float *to, long at) { to[at] = 1.0f; }";
    for (int i = 0; i < 2; i++) {
      assertThat(gpu.function(gpu.cached(source), "one")).isNotZero();
    }
  }

  @Test
  void tuningTriesEveryTileAndUsesTheFastest() {
    List<String> report = context.tune();
    assertThat(report).hasSize(1 + Tile.candidates(gpu.isCpu()).size());
    assertThat(report.getLast()).startsWith("matmul is done ");
    assertThat(context.advice()).isEmpty();
  }
}
