package io.quern.gpu;

import static org.assertj.core.api.Assertions.assertThat;

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
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/**
 * A million random operations on a driver that does queued work as late as it may: everybody sees
 * what was written last, and host memory is not touched after a call.
 */
class QueueTest {
  private static final int OPERATIONS = 1_000_000;
  private static final int BUFFERS = 40;
  private static final int FLOATS = 24;

  private final FakeGpu gpu = new FakeGpu(8 << 20);
  private final GpuContext context = new GpuContext(gpu);
  private final Kernel negate = context.kernel(key()).orElseThrow();
  private final SplittableRandom random = new SplittableRandom(1);
  private final Buffer[] buffers = new Buffer[BUFFERS];

  /** What the first and the last element of each buffer should be. */
  private final float[] first = new float[BUFFERS];

  private final float[] last = new float[BUFFERS];

  /** Memory of the host that is used again at once, on the Java heap and outside. */
  private final MemorySegment[] host = {
    MemorySegment.ofArray(new float[FLOATS]), Arena.ofAuto().allocate(4L * FLOATS, 4)
  };

  private static KernelKey key() {
    Layout layout = Layout.contiguous(Shape.of(FLOATS));
    return new KernelKey(
        new Unary(Unary.Fn.NEG),
        new DType[] {DType.F32, DType.F32},
        new Layout[] {layout, layout},
        1);
  }

  @Test
  void everyOperationSeesTheOnesBefore() {
    for (int i = 0; i < BUFFERS; i++) {
      buffers[i] = context.allocate(4L * FLOATS);
      upload(i);
    }
    for (int i = 0; i < OPERATIONS; i++) {
      int at = random.nextInt(BUFFERS);
      switch (random.nextInt(8)) {
        case 0 -> upload(at);
        case 1 -> download(at);
        case 2 -> replace(at);
        default -> negate(at, random.nextInt(BUFFERS));
      }
    }
    for (int i = 0; i < BUFFERS; i++) {
      download(i);
      buffers[i].release();
    }
  }

  private void upload(int to) {
    MemorySegment memory = host[random.nextInt(2)];
    first[to] = random.nextInt();
    last[to] = random.nextInt();
    memory.set(ValueLayout.JAVA_FLOAT, 0, first[to]);
    memory.set(ValueLayout.JAVA_FLOAT, 4L * (FLOATS - 1), last[to]);
    context.upload(memory, buffers[to], 0);
    memory.fill((byte) -1);
  }

  private void download(int from) {
    MemorySegment memory = host[random.nextInt(2)];
    context.download(buffers[from], 0, memory);
    assertThat(memory.get(ValueLayout.JAVA_FLOAT, 0)).isEqualTo(first[from]);
    assertThat(memory.get(ValueLayout.JAVA_FLOAT, 4L * (FLOATS - 1))).isEqualTo(last[from]);
  }

  /** Memory that is given back may be another tensor's before queued work has read it. */
  private void replace(int at) {
    buffers[at].release();
    buffers[at] = context.allocate(4L * FLOATS);
    upload(at);
  }

  private void negate(int from, int to) {
    negate.run(new Operands(new Buffer[] {buffers[from], buffers[to]}, new long[2]));
    first[to] = -first[from];
    last[to] = -last[from];
  }
}
