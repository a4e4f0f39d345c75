package io.quern.opencl;

import java.util.Arrays;

/**
 * Buffers by address. OpenCL 1.2 has no addresses, so each buffer gets a range of numbers of its
 * own, and an address is a place in a buffer. Immutable.
 */
final class Buffers {
  /** Between ranges, so that an address one past a buffer is not the next one's. */
  private static final long GAP = 4096;

  static final Buffers NONE = new Buffers(new long[0], new long[0], GAP);

  private final long[] starts;
  private final long[] handles;
  private final long next;

  private Buffers(long[] starts, long[] handles, long next) {
    this.starts = starts;
    this.handles = handles;
    this.next = next;
  }

  /** Address of the buffer that {@link #with} adds next. */
  long next() {
    return next;
  }

  Buffers with(long handle, long bytes) {
    int count = starts.length;
    long[] moreStarts = Arrays.copyOf(starts, count + 1);
    long[] moreHandles = Arrays.copyOf(handles, count + 1);
    moreStarts[count] = next;
    moreHandles[count] = handle;
    return new Buffers(moreStarts, moreHandles, next + (bytes + 2 * GAP - 1) / GAP * GAP);
  }

  Buffers without(int index) {
    return new Buffers(remove(starts, index), remove(handles, index), next);
  }

  private static long[] remove(long[] values, int index) {
    long[] rest = new long[values.length - 1];
    System.arraycopy(values, 0, rest, 0, index);
    System.arraycopy(values, index + 1, rest, index, rest.length - index);
    return rest;
  }

  /** Number of the buffer that an address lies in. */
  int find(long address) {
    int index = Arrays.binarySearch(starts, address);
    return index >= 0 ? index : -index - 2;
  }

  long handle(int index) {
    return handles[index];
  }

  /** Address of a buffer's first byte. */
  long start(int index) {
    return starts[index];
  }
}
