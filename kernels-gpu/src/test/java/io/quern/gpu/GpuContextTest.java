package io.quern.gpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.quern.DType;
import io.quern.Shape;
import io.quern.backend.Buffer;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.op.Layout;
import io.quern.op.Unary;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;

/** What happens when the driver refuses. */
class GpuContextTest {
  private final FakeGpu gpu = new FakeGpu(64 << 20);
  private final GpuContext context = new GpuContext(gpu);

  private static KernelKey key(long count) {
    Layout layout = Layout.contiguous(Shape.of(count));
    return new KernelKey(
        new Unary(Unary.Fn.NEG),
        new DType[] {DType.F32, DType.F32},
        new Layout[] {layout, layout},
        1);
  }

  private Kernel kernel(long count) {
    return context.kernel(key(count)).orElseThrow();
  }

  private Operands operands(Buffer... buffers) {
    return new Operands(buffers, new long[buffers.length]);
  }

  @Test
  void aFailureOfQueuedWorkLosesTheDevice() {
    Buffer buffer = context.allocate(400);
    Kernel kernel = kernel(100);
    kernel.run(operands(buffer, buffer));
    assertThat(gpu.launches()).isEqualTo(1);
    gpu.failWith(FakeGpu.STICKY);
    assertThatExceptionOfType(GpuException.class)
        .isThrownBy(context::finish)
        .withMessage("fake: made for tests");
    gpu.failWith(0);
    assertThatIllegalStateException()
        .isThrownBy(() -> kernel.run(operands(buffer, buffer)))
        .withMessageContaining("fake: the device is lost to this process")
        .withCauseInstanceOf(GpuException.class);
    assertThatIllegalStateException().isThrownBy(context::finish);
    MemorySegment bytes = Arena.ofAuto().allocate(400);
    assertThatIllegalStateException().isThrownBy(() -> context.upload(bytes, buffer, 0));
    assertThatIllegalStateException().isThrownBy(() -> context.download(buffer, 0, bytes));
    assertThat(gpu.launches()).isEqualTo(1);
  }

  @Test
  void whatDoesNotBuildHasNoKernel() {
    gpu.refuseSources();
    assertThat(context.kernel(key(100))).isEmpty();
    assertThat(gpu.launches()).isZero();
  }

  @Test
  void otherFailuresPass() {
    Buffer buffer = context.allocate(400);
    Kernel kernel = kernel(100);
    gpu.failWith(1);
    assertThatExceptionOfType(GpuException.class)
        .isThrownBy(() -> kernel.run(operands(buffer, buffer)))
        .satisfies(e -> assertThat(e.code()).isEqualTo(1));
    gpu.failWith(0);
    kernel.run(operands(buffer, buffer));
    assertThat(gpu.launches()).isEqualTo(1);
  }
}
