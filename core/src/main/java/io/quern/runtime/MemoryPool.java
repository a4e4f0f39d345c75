package io.quern.runtime;

import java.lang.System.Logger.Level;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A pool of 64-byte aligned memory. Freed blocks are kept by size class and used again; when the
 * budget is reached, unused slabs are given back to the system, then the garbage collector is asked
 * for forgotten tensors, and only then an allocation fails. Thread-safe.
 *
 * <p>Blocks up to {@value #LARGE} bytes are cut from slabs, which can be given back when none of
 * their blocks is in use. Larger ones have a mapping of their own.
 */
public abstract class MemoryPool implements Blocks {
  /** Alignment of every block in bytes. */
  public static final int ALIGNMENT = 64;

  private static final int SLAB = 1 << 20;
  private static final int LARGE = SLAB / 4;

  /** Size classes up to the largest long. */
  private static final int CLASSES = 4 * (63 - 7);

  private final long limit;
  private final String remedy;

  /** Free blocks by {@link #classIndex}. */
  private final List<ArrayDeque<Block>> unused = new ArrayList<>();

  private final List<Slab> slabs = new ArrayList<>();
  private @Nullable Slab current;
  private long mappedBytes;
  private long liveBytes;
  private long liveBytesAfterGc;
  private long peakLiveBytes;

  /**
   * An empty pool.
   *
   * @param limit most bytes that it may map
   * @param remedy what to do when they do not suffice, for the message
   */
  protected MemoryPool(long limit, String remedy) {
    this.limit = limit;
    this.remedy = remedy;
    for (int i = 0; i < CLASSES; i++) {
      unused.add(new ArrayDeque<>());
    }
  }

  /**
   * Gets memory from the system, aligned to {@value #ALIGNMENT} bytes.
   *
   * @return null when the system has not so much
   */
  protected abstract @Nullable Mapping map(long bytes);

  /** Memory of the system. */
  protected interface Mapping {
    long address();

    /** Gives it back. */
    void unmap();
  }

  /**
   * A piece of memory. Closing it gives it back to the pool; one from other {@link Blocks} is given
   * back to those.
   */
  public final class Block implements AutoCloseable {
    private final long address;
    private final long bytes;
    private final @Nullable Mapping mapping;
    private final @Nullable Slab slab;
    private boolean free;

    private Block(long address, long bytes, @Nullable Mapping mapping, @Nullable Slab slab) {
      this.address = address;
      this.bytes = bytes;
      this.mapping = mapping;
      this.slab = slab;
    }

    public long address() {
      return address;
    }

    /** Usable bytes: what was asked for, rounded up to the size class. */
    public long bytes() {
      return bytes;
    }

    /** As {@link MemoryPool#free}: a second time is an error. */
    @Override
    public void close() {
      MemoryPool.this.free(this);
    }

    /** Changes whether it is free, which it must not be already when it becomes so. */
    void setFree(boolean changed) {
      if (free && changed) {
        throw new IllegalStateException("tensor memory: block freed twice");
      }
      free = changed;
    }
  }

  /** A mapping that small blocks are cut from. */
  private static final class Slab {
    private final Mapping mapping;
    private long next;
    private long left = SLAB;
    private int live;

    Slab(Mapping mapping) {
      this.mapping = mapping;
      this.next = mapping.address();
    }
  }

  /** Counters of a pool, in bytes. */
  public record Usage(long live, long peakLive, long mapped, long limit) {}

  @Override
  public Block allocate(long bytes) {
    long rounded = sizeClass(bytes);
    Block block = tryAllocate(rounded);
    for (int attempt = 0; block == null && rounded <= limit && attempt < 5; attempt++) {
      collectForgotten(attempt);
      block = tryAllocate(rounded);
    }
    if (block == null) {
      Usage usage = usage();
      throw new OutOfMemoryError(
          String.format(
              Locale.ROOT,
              "tensor memory: %,d bytes do not fit, %,d of %,d bytes are in use; close tensors,"
                  + " use a TensorScope, or %s",
              bytes,
              usage.live(),
              usage.limit(),
              remedy));
    }
    return block;
  }

  @Override
  public synchronized void free(Block block) {
    block.setFree(true);
    liveBytes -= block.bytes;
    if (block.slab != null) {
      block.slab.live--;
    }
    unused.get(classIndex(block.bytes)).push(block);
  }

  public synchronized Usage usage() {
    return new Usage(liveBytes, peakLiveBytes, mappedBytes, limit);
  }

  private @Nullable Block tryAllocate(long rounded) {
    boolean suggestGc;
    Block block;
    synchronized (this) {
      // Many live bytes may be forgotten tensors, whose small Java objects never trigger a
      // collection by themselves.
      suggestGc = liveBytes + rounded - liveBytesAfterGc > limit / 2 && liveBytes > limit / 2;
      block = suggestGc ? null : take(rounded);
    }
    if (suggestGc) {
      collectForgotten(0);
      synchronized (this) {
        block = take(rounded);
      }
    }
    return block;
  }

  private @Nullable Block take(long rounded) {
    Block block = unused.get(classIndex(rounded)).poll();
    if (block == null) {
      block = rounded <= LARGE ? cut(rounded) : mapBlock(rounded);
    }
    if (block == null) {
      block = takeLarger(rounded);
    }
    if (block != null) {
      block.setFree(false);
      liveBytes += block.bytes;
      if (block.slab != null) {
        block.slab.live++;
      }
      peakLiveBytes = Math.max(peakLiveBytes, liveBytes);
    }
    return block;
  }

  /** The smallest unused block that is large enough, for when nothing can be mapped any more. */
  private @Nullable Block takeLarger(long bytes) {
    for (int i = classIndex(bytes); i < CLASSES; i++) {
      Block block = unused.get(i).poll();
      if (block != null) {
        return block;
      }
    }
    return null;
  }

  private @Nullable Block cut(long bytes) {
    Slab slab = current;
    if (slab == null || slab.left < bytes) {
      Block fresh = mapBlock(SLAB);
      if (fresh == null) {
        return null;
      }
      slab = new Slab(Objects.requireNonNull(fresh.mapping));
      slabs.add(slab);
      current = slab;
    }
    Block block = new Block(slab.next, bytes, null, slab);
    slab.next += bytes;
    slab.left -= bytes;
    return block;
  }

  private @Nullable Block mapBlock(long bytes) {
    if (bytes > limit - mappedBytes) {
      unmapUnused(bytes - (limit - mappedBytes));
    }
    if (bytes > limit - mappedBytes) {
      return null;
    }
    Mapping mapping = map(bytes);
    if (mapping == null) {
      unmapUnused(Long.MAX_VALUE);
      return null;
    }
    mappedBytes += bytes;
    return new Block(mapping.address(), bytes, mapping, null);
  }

  /**
   * Unmaps unused large blocks, largest first, until {@code wanted} bytes are gained, then slabs
   * without blocks in use when that is not enough.
   */
  private void unmapUnused(long wanted) {
    long gained = 0;
    for (int i = CLASSES - 1; gained < wanted && i > classIndex(LARGE); i--) {
      ArrayDeque<Block> blocks = unused.get(i);
      while (gained < wanted && !blocks.isEmpty()) {
        Block block = blocks.pop();
        if (block.mapping != null) {
          block.mapping.unmap();
          gained += block.bytes;
          mappedBytes -= block.bytes;
        }
      }
    }
    if (gained < wanted) {
      unmapSlabs();
    }
  }

  private void unmapSlabs() {
    for (int i = 0; i <= classIndex(LARGE); i++) {
      unused.get(i).removeIf(block -> block.slab != null && block.slab.live == 0);
    }
    for (Slab slab : slabs) {
      if (slab.live == 0) {
        slab.mapping.unmap();
        mappedBytes -= SLAB;
        current = slab == current ? null : current;
      }
    }
    slabs.removeIf(slab -> slab.live == 0);
  }

  /** Takes back free blocks that are kept elsewhere, before memory is sought by other means. */
  protected void recall() {}

  private void collectForgotten(int attempt) {
    recall();
    Log.get().log(Level.DEBUG, "tensor memory: budget reached, asking the garbage collector");
    System.gc();
    try {
      Thread.sleep(2L << attempt); // the Cleaner's thread needs a moment
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    synchronized (this) {
      liveBytesAfterGc = liveBytes;
    }
  }

  /** Rounds up to 64 bytes times a power of two, in quarter steps, so that at most 1/4 is lost. */
  static long sizeClass(long bytes) {
    if (bytes <= 4 * ALIGNMENT) {
      return Math.max(1, (bytes + ALIGNMENT - 1) / ALIGNMENT) * ALIGNMENT;
    }
    if (bytes > Long.MAX_VALUE / 2) {
      return bytes; // more than any machine has; rounding it up would overflow
    }
    long step = Long.highestOneBit(bytes - 1) / 4;
    return (bytes + step - 1) / step * step;
  }

  /** Number of a size class; larger ones have larger numbers. */
  static int classIndex(long rounded) {
    if (rounded <= 4 * ALIGNMENT) {
      return (int) (rounded / ALIGNMENT) - 1;
    }
    int power = 63 - Long.numberOfLeadingZeros(rounded - 1);
    int quarter = (int) ((rounded - 1 - (1L << power)) >> (power - 2));
    return 4 * (power - 7) + quarter;
  }
}
