package io.quern.gpu;

import io.quern.runtime.HostMemory;
import io.quern.runtime.Knob;
import io.quern.runtime.Raw;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.Map;
import java.util.Queue;
import java.util.TreeMap;

/**
 * A GPU that keeps books of what is allocated, and puts off what is queued as long as a driver may:
 * until it is waited for, or {@link #free}. Whatever function is launched, it negates floats.
 */
final class FakeGpu implements Gpu {
  /** An error after which the device is lost. */
  static final int STICKY = 700;

  private static final Knob LIMIT = Knob.of("quern.fake.memory.limit", "", "for tests");

  private final long memory;
  private final TreeMap<Long, Long> allocated = new TreeMap<>();

  /** What blocks hold, from the first time that it matters. */
  private final Map<Long, MemorySegment> contents = new HashMap<>();

  private final Queue<Runnable> queue = new ArrayDeque<>();

  /** How much work had been queued when a mark was set. */
  private final long[] marks = new long[MARKS];

  private long done;
  private long next = 1 << 20;
  private long used;
  private int failure;
  private int launches;
  private boolean refusesSources;
  private boolean hasPinned = true;
  private boolean refusesPinned;
  private long pinned;

  FakeGpu(long memory) {
    this.memory = memory;
  }

  /** Lets every call from now on fail with this error of the driver. */
  void failWith(int error) {
    failure = error;
  }

  long used() {
    return used;
  }

  int launches() {
    return launches;
  }

  /** Whether a range lies in memory that is allocated. */
  boolean isAllocated(long address, long bytes) {
    var block = allocated.floorEntry(address);
    return block != null && address + bytes <= block.getKey() + block.getValue();
  }

  private void check() {
    if (failure != 0) {
      throw new GpuException("fake: made for tests", failure, failure == STICKY);
    }
  }

  @Override
  public String backend() {
    return "fake";
  }

  @Override
  public String describe() {
    return "keeps books";
  }

  @Override
  public int multiprocessors() {
    return 4;
  }

  @Override
  public long memory() {
    return memory;
  }

  @Override
  public Knob memoryLimit() {
    return LIMIT;
  }

  @Override
  public int blockThreads() {
    return 256;
  }

  @Override
  public long allocateWords(int count) {
    return HostMemory.shared().allocate(8L * count).address();
  }

  @Override
  public long word(long address) {
    return Raw.getLong(address);
  }

  @Override
  public void setWord(long address, long value) {
    Raw.putLong(address, value);
  }

  @Override
  public String source(String file) {
    return file;
  }

  @Override
  public ChainWriter chains() {
    return new ChainWriter() {
      @Override
      public int run(Chain chain) {
        return 4;
      }

      @Override
      public boolean needsAlignment() {
        return false;
      }

      @Override
      public String dense(Chain chain, boolean[] scalar, int runs) {
        return "dense";
      }

      @Override
      public String strided(Chain chain, int rank) {
        return "strided";
      }

      @Override
      public String rows(Chain chain, int rank, boolean[] scalar) {
        return "rows";
      }
    };
  }

  @Override
  public synchronized long allocate(long bytes) {
    check();
    if (used + bytes > memory) {
      return 0;
    }
    long address = next;
    next += (bytes + 511) / 512 * 512;
    allocated.put(address, bytes);
    used += bytes;
    return address;
  }

  @Override
  public synchronized void free(long address) {
    finish();
    contents.remove(address);
    Long bytes = allocated.remove(address);
    if (bytes == null) {
      throw new AssertionError("freed what was not allocated: " + address);
    }
    used -= bytes;
  }

  /** Has no pinned memory from now on. */
  void withoutPinned() {
    hasPinned = false;
  }

  /** Refuses pinned memory from now on. */
  void refusePinned() {
    refusesPinned = true;
  }

  /** Bytes of pinned memory that were allocated. */
  long pinned() {
    return pinned;
  }

  @Override
  public long allocatePinned(long bytes) {
    check();
    if (refusesPinned) {
      throw new GpuException("fake: no pinned memory", 2, false);
    }
    if (!hasPinned) {
      return 0;
    }
    pinned += bytes;
    return HostMemory.shared().allocate(bytes).address();
  }

  @Override
  public synchronized void copyToDevice(long to, long from, long bytes) {
    check();
    requireAllocated(to, bytes);
    queue.add(() -> at(to, bytes).copyFrom(Raw.ALL.asSlice(from, bytes)));
  }

  @Override
  public synchronized void copyToHost(long to, long from, long bytes) {
    check();
    requireAllocated(from, bytes);
    queue.add(() -> Raw.ALL.asSlice(to, bytes).copyFrom(at(from, bytes)));
  }

  @Override
  public synchronized void mark(int number) {
    check();
    marks[number] = done + queue.size();
  }

  @Override
  public synchronized void await(int number) {
    check();
    runUntil(hasPinned ? marks[number] : done + queue.size());
  }

  private void requireAllocated(long address, long bytes) {
    if (!isAllocated(address, bytes)) {
      throw new AssertionError(bytes + " bytes at " + address + " are out of bounds");
    }
  }

  /** The memory at an address. */
  private MemorySegment at(long address, long bytes) {
    var block = allocated.floorEntry(address);
    MemorySegment content =
        contents.computeIfAbsent(
            block.getKey(), key -> Arena.ofAuto().allocate(block.getValue(), Float.BYTES));
    return content.asSlice(address - block.getKey(), bytes);
  }

  @Override
  public synchronized void finish() {
    check();
    runUntil(done + queue.size());
  }

  /** Does what was queued first. */
  private void runUntil(long end) {
    while (done < end) {
      queue.remove().run();
      done++;
    }
  }

  @Override
  public boolean reaches(Gpu other) {
    return other instanceof FakeGpu;
  }

  @Override
  public void follow(Gpu other, int mark) {
    check();
    FakeGpu leader = (FakeGpu) other;
    long end = leader.marks[mark];
    queue.add(() -> leader.runUntil(end));
  }

  @Override
  public void copyFromPeer(Gpu other, long from, long to, long bytes) {
    check();
    FakeGpu source = (FakeGpu) other;
    source.requireAllocated(from, bytes);
    requireAllocated(to, bytes);
    queue.add(() -> at(to, bytes).copyFrom(source.at(from, bytes)));
  }

  /** Lets no source load from now on. */
  void refuseSources() {
    refusesSources = true;
  }

  @Override
  public long load(String text) {
    check();
    if (refusesSources) {
      throw new GpuException("fake: does not build", 1, false);
    }
    return 1;
  }

  @Override
  public long function(long module, String name) {
    check();
    return 1;
  }

  @Override
  public void launch(long function, Grid grid, int[] sizes, long parameters) {
    check();
    launches++;
    long to = value(parameters, 0);
    long from = value(parameters, 1);
    long bytes = Float.BYTES * value(parameters, 2);
    requireAllocated(to, bytes);
    requireAllocated(from, bytes);
    queue.add(() -> negate(at(from, bytes), at(to, bytes)));
  }

  private static long value(long parameters, int index) {
    return Raw.getLong(Raw.getLong(parameters + 8L * index));
  }

  private static void negate(MemorySegment from, MemorySegment to) {
    for (long i = 0; i < from.byteSize(); i += Float.BYTES) {
      to.set(ValueLayout.JAVA_FLOAT, i, -from.get(ValueLayout.JAVA_FLOAT, i));
    }
  }
}
