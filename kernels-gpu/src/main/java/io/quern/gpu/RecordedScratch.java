package io.quern.gpu;

import io.quern.runtime.Blocks;
import io.quern.runtime.MemoryPool;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/**
 * Scratch memory of recorded work, which keeps all of it for its runs. Recorded work is done in
 * order, so what one call gave back the next one may have. For one thread.
 */
final class RecordedScratch implements Blocks {
  private final MemoryPool memory;
  private final List<MemoryPool.Block> all = new ArrayList<>();
  private final List<MemoryPool.Block> spare = new ArrayList<>();

  RecordedScratch(MemoryPool memory) {
    this.memory = memory;
  }

  @Override
  public MemoryPool.Block allocate(long bytes) {
    Optional<MemoryPool.Block> smallest =
        spare.stream()
            .filter(block -> block.bytes() >= bytes)
            .min(Comparator.comparingLong(MemoryPool.Block::bytes));
    if (smallest.isPresent()) {
      spare.remove(smallest.get());
      return smallest.get();
    }
    MemoryPool.Block block = memory.allocate(bytes);
    all.add(block);
    return block;
  }

  @Override
  public void free(MemoryPool.Block block) {
    spare.add(block);
  }

  /** Gives all memory back, when the work is not done any more. */
  void release() {
    all.forEach(memory::free);
  }
}
