package io.quern.backend;

/**
 * The memory of one kernel call, inputs before outputs: a buffer and a byte offset each. That every
 * element of the layouts lies inside of the buffers has been proven when a kernel sees it.
 */
public final class Operands {
  /** Numbers that a kernel may keep. */
  private static final int KEPT = 8;

  private final Buffer[] buffers;
  private final long[] byteOffsets;
  private final long[] kept = new long[KEPT];

  public Operands(Buffer[] buffers, long[] byteOffsets) {
    this.buffers = buffers;
    this.byteOffsets = byteOffsets;
  }

  public int count() {
    return buffers.length;
  }

  public Buffer buffer(int index) {
    return buffers[index];
  }

  public long byteOffset(int index) {
    return byteOffsets[index];
  }

  /** Address of the first element of an operand, for backends with addresses. */
  public long address(int index) {
    return buffers[index].address() + byteOffsets[index];
  }

  /** Keeps a number of the running call for its tasks, so that they need no object of their own. */
  public void keep(int slot, long number) {
    kept[slot] = number;
  }

  /** A number that this call has kept. */
  public long kept(int slot) {
    return kept[slot];
  }
}
