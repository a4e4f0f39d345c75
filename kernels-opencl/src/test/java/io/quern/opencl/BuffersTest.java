package io.quern.opencl;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class BuffersTest {
  @Test
  void everyByteOfABufferIsFound() {
    Buffers buffers = Buffers.NONE;
    long[] starts = new long[4];
    long[] sizes = {1, 5000, 4096, 3L << 32};
    for (int i = 0; i < starts.length; i++) {
      starts[i] = buffers.next();
      assertThat(starts[i]).isPositive().isEqualTo(starts[i] / 256 * 256);
      buffers = buffers.with(100 + i, sizes[i]);
    }
    for (int removed = -1; removed < starts.length; removed++) {
      Buffers some = removed < 0 ? buffers : buffers.without(removed);
      for (int i = 0; i < starts.length; i++) {
        if (i != removed) {
          for (long at : new long[] {0, sizes[i] / 2, sizes[i] - 1, sizes[i]}) {
            int found = some.find(starts[i] + at);
            assertThat(some.handle(found)).isEqualTo(100 + i);
            assertThat(some.start(found)).isEqualTo(starts[i]);
          }
        }
      }
    }
  }
}
