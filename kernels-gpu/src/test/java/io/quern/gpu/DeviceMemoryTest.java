package io.quern.gpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.quern.runtime.MemoryPool.Block;
import java.util.ArrayList;
import java.util.List;
import java.util.NavigableMap;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

class DeviceMemoryTest {
  private static final long MEGABYTE = 1 << 20;

  /** A million allocations and releases in random order: no overlap, no leak, never too much. */
  @Test
  void blocksNeverOverlap() {
    FakeGpu gpu = new FakeGpu(256 * MEGABYTE);
    DeviceMemory memory = new DeviceMemory(gpu);
    SplittableRandom random = new SplittableRandom(1);
    List<Block> live = new ArrayList<>();
    TreeMap<Long, Long> ranges = new TreeMap<>();
    for (int i = 0; i < 1_000_000; i++) {
      boolean releases =
          live.size() > 400
              || (!live.isEmpty() && random.nextInt(100) < (i / 1000 % 2 == 0 ? 45 : 55));
      if (releases) {
        Block block = live.remove(random.nextInt(live.size()));
        ranges.remove(block.address());
        memory.free(block);
      } else {
        long bytes = 1L << random.nextInt(i % 100 == 0 ? 20 : 12);
        Block block = memory.allocate(bytes + random.nextLong(bytes));
        requireFree(ranges, block);
        assertThat(gpu.isAllocated(block.address(), block.bytes())).isTrue();
        ranges.put(block.address(), block.bytes());
        live.add(block);
      }
    }
    live.forEach(memory::free);
    assertThat(memory.usage().live()).isZero();
    assertThat(memory.usage().mapped()).isEqualTo(gpu.used()).isLessThanOrEqualTo(256 * MEGABYTE);
  }

  private static void requireFree(NavigableMap<Long, Long> ranges, Block block) {
    var before = ranges.floorEntry(block.address());
    var after = ranges.ceilingKey(block.address());
    if ((before != null && before.getKey() + before.getValue() > block.address())
        || (after != null && after < block.address() + block.bytes())) {
      throw new AssertionError("overlapping block at " + block.address());
    }
  }

  @Test
  void otherSizesTakeTheMemoryOfUnusedBlocks() {
    FakeGpu gpu = new FakeGpu(8 * MEGABYTE);
    DeviceMemory memory = new DeviceMemory(gpu);
    memory.free(memory.allocate(6 * MEGABYTE));
    Block block = memory.allocate(7 * MEGABYTE);
    assertThat(memory.usage().mapped()).isEqualTo(gpu.used()).isLessThan(8 * MEGABYTE);
    assertThat(gpu.isAllocated(block.address(), 7 * MEGABYTE)).isTrue();
  }

  @Test
  void theMessageSaysWhatToDo() {
    DeviceMemory memory = new DeviceMemory(new FakeGpu(8 * MEGABYTE));
    Block block = memory.allocate(6 * MEGABYTE);
    assertThatExceptionOfType(OutOfMemoryError.class)
        .isThrownBy(() -> memory.allocate(4 * MEGABYTE))
        .withMessageContaining(
            "4,194,304 bytes do not fit, 6,291,456 of 8,388,608 bytes are in use")
        .withMessageContaining("close tensors, use a TensorScope");
    memory.free(block);
    memory.free(memory.allocate(4 * MEGABYTE));
  }
}
