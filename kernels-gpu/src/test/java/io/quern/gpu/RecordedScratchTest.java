package io.quern.gpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.runtime.MemoryPool;
import org.junit.jupiter.api.Test;

/** Calls of one recording share memory, which others do not get before the recording is gone. */
class RecordedScratchTest {
  private final DeviceMemory memory = new DeviceMemory(new FakeGpu(64 << 20));
  private final RecordedScratch scratch = new RecordedScratch(memory);

  @Test
  void theSmallestSpareBlockIsUsedAgain() {
    MemoryPool.Block large = scratch.allocate(4096);
    MemoryPool.Block small = scratch.allocate(1024);
    scratch.free(large);
    scratch.free(small);
    assertThat(scratch.allocate(900)).isSameAs(small);
    assertThat(scratch.allocate(900)).isSameAs(large);
    assertThat(scratch.allocate(900)).isNotSameAs(small).isNotSameAs(large);
  }

  @Test
  void memoryIsGivenBackAtTheEnd() {
    MemoryPool.Block block = scratch.allocate(4096);
    scratch.free(block);
    assertThat(memory.usage().live()).isEqualTo(4096);
    assertThat(memory.allocate(4096)).isNotSameAs(block);
    scratch.release();
    assertThat(memory.allocate(4096)).isSameAs(block);
  }
}
