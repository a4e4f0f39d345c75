package io.quern.cuda;

import io.quern.op.OpCheck;
import io.quern.runtime.Raw;
import java.util.List;

/**
 * Host memory in which kernels tell of an index that is out of range: which op found it, the index,
 * and what it must be less than.
 */
final class Fault {
  /** Names of ops by number, from 1 on. */
  private static final List<String> OPS =
      List.of("gather", "gather_grad", "take_along", "take_along_grad");

  private final long address;

  Fault(Gpu gpu) {
    this.address = gpu.allocatePinned(24);
    clear();
  }

  /** The numbers of the kernels' struct. */
  long[] words(String op) {
    return new long[] {address, 1 + OPS.indexOf(op)};
  }

  /**
   * Finds out whether kernels that are done have told of an index.
   *
   * @throws IndexOutOfBoundsException if they have
   */
  void check() {
    long op = Raw.getLong(address);
    if (op != 0) {
      clear();
      OpCheck.element(OPS.get((int) op - 1), Raw.getLong(address + 8), Raw.getLong(address + 16));
    }
  }

  private void clear() {
    Raw.putLong(address, 0);
  }
}
