package io.quern.reference;

import io.quern.Shape;
import io.quern.backend.Operands;

/** Visits the elements of a shape in row-major order; knows their addresses in some operands. */
final class Walk {
  private final long[] dims;
  private final boolean empty;
  private final Elements[] operands;
  private final long[] index;
  private final long[] addresses;

  /** A walk over {@code shape}; the strides of the operands belong to that shape. */
  Walk(Shape shape, Elements... operands) {
    this.dims = shape.toArray();
    this.empty = shape.size() == 0;
    this.operands = operands;
    this.index = new long[dims.length];
    this.addresses = new long[operands.length];
  }

  /** Begins at the first element of each operand; false when there is none. */
  boolean start(Operands memory) {
    for (int i = 0; i < addresses.length; i++) {
      addresses[i] = memory.address(i);
    }
    return begin();
  }

  /** Begins with the first operand at {@code address}; false when there is no element. */
  boolean start(long address) {
    addresses[0] = address;
    return begin();
  }

  /** Begins with the first two operands at these addresses; false when there is no element. */
  boolean start(long first, long second) {
    addresses[1] = second;
    return start(first);
  }

  private boolean begin() {
    java.util.Arrays.fill(index, 0);
    return !empty;
  }

  /** Goes on to the next element; false when there is none. */
  boolean next() {
    for (int d = dims.length - 1; d >= 0; d--) {
      if (++index[d] < dims[d]) {
        for (int i = 0; i < addresses.length; i++) {
          addresses[i] += operands[i].stride(d);
        }
        return true;
      }
      index[d] = 0;
      for (int i = 0; i < addresses.length; i++) {
        addresses[i] -= operands[i].stride(d) * (dims[d] - 1);
      }
    }
    return false;
  }

  /** Address of the current element in an operand. */
  long address(int operand) {
    return addresses[operand];
  }
}
