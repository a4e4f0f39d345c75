package io.quern.gpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.quern.DType;
import io.quern.Shape;
import io.quern.backend.Buffer;
import io.quern.backend.DeviceContext;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.op.Layout;
import io.quern.op.Unary;
import java.lang.foreign.MemorySegment;
import java.lang.reflect.Proxy;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** Copies between devices whose drivers do queued work as late as they may. */
class PeersTest {
  private static final int FLOATS = 100;
  private static final long BYTES = 4L * FLOATS;

  private final FakeGpu[] gpus = {new FakeGpu(8 << 20), new FakeGpu(8 << 20), new FakeGpu(8 << 20)};
  private final GpuContext[] devices = new GpuContext[gpus.length];
  private final Kernel[] negations = new Kernel[gpus.length];
  private final Buffer[] buffers = new Buffer[gpus.length];

  PeersTest() {
    Layout layout = Layout.contiguous(Shape.of(FLOATS));
    KernelKey key =
        new KernelKey(
            new Unary(Unary.Fn.NEG),
            new DType[] {DType.F32, DType.F32},
            new Layout[] {layout, layout},
            1);
    for (int i = 0; i < gpus.length; i++) {
      devices[i] = new GpuContext(gpus[i]);
      negations[i] = devices[i].kernel(key).orElseThrow();
      buffers[i] = devices[i].allocate(BYTES);
    }
  }

  private void upload(int device, float value) {
    float[] values = new float[FLOATS];
    Arrays.fill(values, value);
    devices[device].upload(MemorySegment.ofArray(values), buffers[device], 0);
  }

  private void negate(int device) {
    Buffer buffer = buffers[device];
    negations[device].run(new Operands(new Buffer[] {buffer, buffer}, new long[2]));
  }

  private void copy(int from, int to) {
    assertThat(devices[to].copyFrom(devices[from], buffers[from], 0, buffers[to], BYTES)).isTrue();
  }

  private float[] download(int device) {
    float[] values = new float[FLOATS];
    devices[device].download(buffers[device], 0, MemorySegment.ofArray(values));
    return values;
  }

  @Test
  void copiesSeeWhatWasQueuedBefore() {
    upload(0, 3);
    negate(0);
    copy(0, 1);
    assertThat(download(1)).containsOnly(-3);
  }

  @Test
  void copiesAreNotOvertaken() {
    upload(0, 3);
    copy(0, 1);
    upload(0, 4);
    assertThat(download(0)).containsOnly(4);
    assertThat(download(1)).containsOnly(3);
  }

  @Test
  void offsetsAreOfBytes() {
    float[] values = new float[FLOATS];
    values[FLOATS - 1] = 5;
    devices[0].upload(MemorySegment.ofArray(values), buffers[0], 0);
    upload(1, 1);
    assertThat(devices[1].copyFrom(devices[0], buffers[0], BYTES - 4, buffers[1], 4)).isTrue();
    assertThat(download(1)[0]).isEqualTo(5);
    assertThat(download(1)[1]).isEqualTo(1);
  }

  @Test
  void everyOperationSeesTheOnesBefore() {
    SplittableRandom random = new SplittableRandom(1);
    float[] expected = new float[gpus.length];
    for (int i = 0; i < gpus.length; i++) {
      upload(i, 0);
    }
    for (int i = 0; i < 100_000; i++) {
      int at = random.nextInt(gpus.length);
      int other = (at + 1 + random.nextInt(gpus.length - 1)) % gpus.length;
      switch (random.nextInt(4)) {
        case 0 -> {
          expected[at] = i;
          upload(at, i);
        }
        case 1 -> {
          expected[at] = -expected[at];
          negate(at);
        }
        case 2 -> {
          expected[other] = expected[at];
          copy(at, other);
        }
        default -> {
          if (i % 10 == 0) {
            assertThat(download(at)).containsOnly(expected[at]);
          }
        }
      }
    }
    for (int i = 0; i < gpus.length; i++) {
      assertThat(download(i)).containsOnly(expected[i]);
    }
  }

  @Test
  void othersAreNotReached() {
    DeviceContext other =
        (DeviceContext)
            Proxy.newProxyInstance(
                getClass().getClassLoader(),
                new Class<?>[] {DeviceContext.class},
                (proxy, method, arguments) -> null);
    assertThat(devices[0].copyFrom(other, buffers[1], 0, buffers[0], BYTES)).isFalse();
  }

  @Test
  void onlyTheDeviceThatFailsIsLost() {
    upload(0, 3);
    upload(1, 4);
    gpus[1].failWith(FakeGpu.STICKY);
    assertThatThrownBy(() -> copy(0, 1)).isInstanceOf(GpuException.class);
    gpus[1].failWith(0);
    assertThatIllegalStateException().isThrownBy(() -> download(1));
    assertThat(download(0)).containsOnly(3);
  }
}
