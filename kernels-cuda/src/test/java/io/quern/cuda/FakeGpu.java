package io.quern.cuda;

import io.quern.runtime.HostMemory;
import java.util.TreeMap;

/**
 * A GPU that keeps books: what is allocated, what is queued, and whether host memory is still
 * needed. It computes nothing.
 */
final class FakeGpu implements Gpu {
  private final long memory;
  private final TreeMap<Long, Long> allocated = new TreeMap<>();
  private long next = 1 << 20;
  private long used;
  private int failure;
  private int launches;

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
      throw new CudaException("a call", failure, "made for tests");
    }
  }

  @Override
  public String name() {
    return "fake";
  }

  @Override
  public int capability() {
    return 75;
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
  public int driver() {
    return 12080;
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
    check();
    Long bytes = allocated.remove(address);
    if (bytes == null) {
      throw new AssertionError("freed what was not allocated: " + address);
    }
    used -= bytes;
  }

  @Override
  public long allocatePinned(long bytes) {
    return HostMemory.shared().allocate(bytes).address();
  }

  @Override
  public void copyToDevice(long to, long from, long bytes) {
    check();
    requireAllocated(to, bytes);
  }

  @Override
  public void copyToHost(long to, long from, long bytes) {
    check();
    requireAllocated(from, bytes);
  }

  private void requireAllocated(long address, long bytes) {
    if (!isAllocated(address, bytes)) {
      throw new AssertionError("a copy of " + bytes + " bytes at " + address + " is out of bounds");
    }
  }

  @Override
  public void finish() {
    check();
  }

  @Override
  public long load(String ptx) {
    check();
    return 1;
  }

  @Override
  public long function(long module, String name) {
    check();
    return 1;
  }

  @Override
  public void reserveShared(long function, int bytes) {
    check();
  }

  @Override
  public boolean beginRecording() {
    return false;
  }

  @Override
  public long endRecording() {
    throw new UnsupportedOperationException();
  }

  @Override
  public void replay(long recording) {
    throw new UnsupportedOperationException();
  }

  @Override
  public void forget(long recording) {
    throw new UnsupportedOperationException();
  }

  @Override
  public void encode(TileMap map, long matrices, long to) {
    check();
  }

  @Override
  public void launch(long function, Grid grid, long parameters) {
    check();
    launches++;
  }
}
