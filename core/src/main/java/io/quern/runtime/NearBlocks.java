package io.quern.runtime;

import io.quern.runtime.MemoryPool.Block;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Free blocks of {@link HostMemory} that one helper of {@link Workers} has used and will use again:
 * they are in its core's cache, and no other thread waits for their lock. Thread-safe, since a pool
 * that runs out takes them back.
 */
final class NearBlocks {
  private static final long LARGEST = 4 << 20;
  private static final long MOST_BYTES = 16 << 20;

  private final List<ArrayDeque<Block>> unused = new ArrayList<>();
  private long bytes;

  NearBlocks() {
    for (int i = 0; i <= MemoryPool.classIndex(LARGEST); i++) {
      unused.add(new ArrayDeque<>());
    }
  }

  /** A block of a size class, or null. */
  synchronized @Nullable Block take(long rounded) {
    if (rounded > LARGEST) {
      return null;
    }
    Block block = unused.get(MemoryPool.classIndex(rounded)).poll();
    if (block != null) {
      bytes -= block.bytes();
      block.setFree(false);
    }
    return block;
  }

  /** Keeps a block unless there are enough. */
  synchronized boolean keep(Block block) {
    if (block.bytes() > LARGEST || bytes + block.bytes() > MOST_BYTES) {
      return false;
    }
    block.setFree(true);
    bytes += block.bytes();
    unused.get(MemoryPool.classIndex(block.bytes())).push(block);
    return true;
  }

  synchronized long bytes() {
    return bytes;
  }

  /** Gives all blocks back to a pool. */
  void drainTo(MemoryPool pool) {
    List<Block> drained = new ArrayList<>();
    synchronized (this) {
      for (ArrayDeque<Block> blocks : unused) {
        drained.addAll(blocks);
        blocks.clear();
      }
      drained.forEach(block -> block.setFree(false));
      bytes = 0;
    }
    drained.forEach(pool::free);
  }
}
