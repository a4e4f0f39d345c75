package io.quern.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.quern.runtime.MemoryPool.Block;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;

class MemoryPoolTest {
  private static final long MEGABYTE = 1 << 20;

  @Test
  void sizeClassesWasteAtMostOneFifth() {
    for (long bytes = 1; bytes < 100_000; bytes++) {
      long rounded = MemoryPool.sizeClass(bytes);
      assertThat(rounded).isGreaterThanOrEqualTo(bytes);
      assertThat(rounded % HostMemory.ALIGNMENT).isZero();
      assertThat(rounded - bytes).isLessThan(Math.max(HostMemory.ALIGNMENT, rounded / 5 + 1));
      assertThat(MemoryPool.sizeClass(rounded)).isEqualTo(rounded);
    }
    assertThat(MemoryPool.sizeClass(0)).isEqualTo(64);
    assertThat(MemoryPool.sizeClass((1L << 40) + 1)).isEqualTo((1L << 40) + (1L << 38));
  }

  @Test
  void sizeClassesAreNumberedInOrder() {
    int expected = 0;
    for (long bytes = 1; bytes <= 1L << 60; bytes = MemoryPool.sizeClass(bytes) + 1) {
      assertThat(MemoryPool.classIndex(MemoryPool.sizeClass(bytes))).isEqualTo(expected++);
    }
    assertThat(MemoryPool.classIndex(Long.MAX_VALUE)).isGreaterThan(expected);
  }

  @Test
  void sizeClassesAreFew() {
    long classes = 0;
    for (long bytes = 1; bytes <= MEGABYTE; bytes = MemoryPool.sizeClass(bytes) + 1) {
      classes++;
    }
    assertThat(classes).isEqualTo(4 + 4 * 12);
  }

  @Test
  void blocksAreAlignedAndDoNotOverlap() {
    HostMemory memory = new HostMemory(64 * MEGABYTE);
    SplittableRandom random = new SplittableRandom(1);
    List<Block> blocks = new ArrayList<>();
    for (int i = 0; i < 300; i++) {
      blocks.add(memory.allocate(random.nextLong(1, i % 10 == 0 ? MEGABYTE : 5000)));
    }
    blocks.sort(java.util.Comparator.comparingLong(Block::address));
    for (int i = 0; i < blocks.size(); i++) {
      Block block = blocks.get(i);
      assertThat(block.address() % HostMemory.ALIGNMENT).isZero();
      if (i > 0) {
        Block before = blocks.get(i - 1);
        assertThat(block.address()).isGreaterThanOrEqualTo(before.address() + before.bytes());
      }
    }
    blocks.forEach(memory::free);
  }

  @Test
  void freedBlocksAreUsedAgain() {
    HostMemory memory = new HostMemory(8 * MEGABYTE);
    for (long bytes : new long[] {100, 200_000, 3 * MEGABYTE}) {
      Block first = memory.allocate(bytes);
      memory.free(first);
      long mapped = memory.usage().mapped();
      for (int i = 0; i < 100; i++) {
        Block again = memory.allocate(bytes - i % 10);
        assertThat(again.address()).isEqualTo(first.address());
        memory.free(again);
      }
      assertThat(memory.usage().mapped()).isEqualTo(mapped);
    }
  }

  @Test
  void usageCountsWhatIsLive() {
    HostMemory memory = new HostMemory(8 * MEGABYTE);
    Block small = memory.allocate(65);
    Block large = memory.allocate(MEGABYTE);
    assertThat(memory.usage().live()).isEqualTo(128 + MEGABYTE);
    memory.free(large);
    assertThat(memory.usage().live()).isEqualTo(128);
    memory.free(small);
    assertThat(memory.usage().live()).isZero();
    assertThat(memory.usage().peakLive()).isEqualTo(128 + MEGABYTE);
    assertThat(memory.usage().mapped()).isEqualTo(2 * MEGABYTE);
    assertThat(memory.usage().limit()).isEqualTo(8 * MEGABYTE);
  }

  @Test
  void overBudgetTheMessageHasTheFigures() {
    HostMemory memory = new HostMemory(4 * MEGABYTE);
    Block block = memory.allocate(3 * MEGABYTE);
    assertThatExceptionOfType(OutOfMemoryError.class)
        .isThrownBy(() -> memory.allocate(2 * MEGABYTE))
        .withMessage(
            "tensor memory: 2,097,152 bytes do not fit, 3,145,728 of 4,194,304 bytes are in use;"
                + " close tensors, use a TensorScope, or raise -Dquern.memory.limit and"
                + " -XX:MaxDirectMemorySize");
    memory.free(block);
    memory.free(memory.allocate(2 * MEGABYTE));
  }

  @Test
  void smallBlocksMakeRoomForLargeOnes() {
    HostMemory memory = new HostMemory(4 * MEGABYTE);
    for (int round = 0; round < 3; round++) {
      List<Block> small = new ArrayList<>();
      for (int i = 0; i < 1024; i++) {
        small.add(memory.allocate(4096));
      }
      Block kept = small.removeLast();
      Raw.putLong(kept.address(), 42);
      small.forEach(memory::free);
      Block large = memory.allocate(3 * MEGABYTE);
      Raw.zero(large.address(), large.bytes());
      assertThat(memory.usage().mapped()).isEqualTo(4 * MEGABYTE);
      assertThat(Raw.getLong(kept.address())).isEqualTo(42);
      memory.free(large);
      memory.free(kept);
    }
    assertThat(memory.usage().live()).isZero();
  }

  @Test
  void absurdSizesAreRefusedLikeOthers() {
    HostMemory memory = new HostMemory(4 * MEGABYTE);
    for (long bytes : new long[] {1L << 40, 1L << 62, Long.MAX_VALUE - 100, Long.MAX_VALUE}) {
      assertThatExceptionOfType(OutOfMemoryError.class)
          .isThrownBy(() -> memory.allocate(bytes))
          .withMessageStartingWith("tensor memory: ");
    }
    assertThat(memory.usage().live()).isZero();
  }

  @Test
  void unusedLargeBlocksMakeRoomForOtherSizes() {
    HostMemory memory = new HostMemory(4 * MEGABYTE);
    for (int round = 0; round < 3; round++) {
      memory.free(memory.allocate(3 * MEGABYTE));
      memory.free(memory.allocate(2 * MEGABYTE));
      assertThat(memory.usage().mapped()).isLessThanOrEqualTo(4 * MEGABYTE);
    }
  }

  @Test
  void secondFreeIsAnError() {
    HostMemory memory = new HostMemory(4 * MEGABYTE);
    Block block = memory.allocate(100);
    memory.free(block);
    assertThatIllegalStateException()
        .isThrownBy(() -> memory.free(block))
        .withMessage("tensor memory: block freed twice");
    Block first = memory.allocate(100);
    assertThat(memory.allocate(100).address()).isNotEqualTo(first.address());
  }

  @Test
  void threadsNeverShareBlock() throws Exception {
    HostMemory memory = new HostMemory(32 * MEGABYTE);
    List<Callable<Boolean>> tasks = new ArrayList<>();
    for (int thread = 0; thread < 8; thread++) {
      int seed = thread;
      tasks.add(() -> churn(memory, seed));
    }
    try (ExecutorService executor = Executors.newFixedThreadPool(8)) {
      for (Future<Boolean> result : executor.invokeAll(tasks)) {
        assertThat(result.get()).isTrue();
      }
    }
    assertThat(memory.usage().live()).isZero();
    assertThat(memory.usage().mapped()).isLessThanOrEqualTo(32 * MEGABYTE);
  }

  /** Whether marks in the blocks survive until they are freed. */
  private static boolean churn(HostMemory memory, int seed) {
    SplittableRandom random = new SplittableRandom(seed);
    Block[] held = new Block[16];
    long[] marks = new long[held.length];
    boolean intact = true;
    for (int i = 0; i < 20_000; i++) {
      int slot = random.nextInt(held.length);
      Block block = held[slot];
      if (block != null) {
        intact &= Raw.getLong(block.address()) == marks[slot];
        intact &= Raw.getLong(block.address() + block.bytes() - 8) == marks[slot];
        memory.free(block);
        held[slot] = null;
      } else {
        int exponent = random.nextInt(6, 17);
        block = memory.allocate(random.nextLong(1L << exponent) + 8);
        marks[slot] = random.nextLong();
        Raw.putLong(block.address(), marks[slot]);
        Raw.putLong(block.address() + block.bytes() - 8, marks[slot]);
        held[slot] = block;
      }
    }
    for (Block block : held) {
      if (block != null) {
        memory.free(block);
      }
    }
    return intact;
  }
}
