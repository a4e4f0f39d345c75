package io.quern.backend;

/**
 * The memory of one kernel call, inputs before outputs: a buffer and a byte offset each. That every
 * element of the layouts lies inside of the buffers has been proven when a kernel sees it.
 */
public final class Operands {
  private final Buffer[] buffers;
  private final long[] byteOffsets;

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
}
