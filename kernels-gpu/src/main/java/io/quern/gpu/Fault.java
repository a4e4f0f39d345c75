package io.quern.gpu;

import io.quern.op.OpCheck;
import java.util.List;

/**
 * Memory in which kernels tell of an index that is out of range: which op found it, the index, and
 * what it must be less than.
 */
final class Fault {
  /** Names of ops by number, from 1 on. */
  private static final List<String> OPS =
      List.of("gather", "gather_grad", "take_along", "take_along_grad");

  private final Gpu gpu;
  private final long address;

  Fault(Gpu gpu) {
    this.gpu = gpu;
    this.address = gpu.allocateWords(3);
    clear();
  }

  /** The memory and the number of an op, the last parameters of functions that check indices. */
  void addTo(Parameters parameters, String op) {
    parameters.address(address).number(1 + OPS.indexOf(op));
  }

  /**
   * Finds out whether kernels that are done have told of an index.
   *
   * @throws IndexOutOfBoundsException if they have
   */
  void check() {
    long op = gpu.word(address);
    if (op != 0) {
      clear();
      OpCheck.element(OPS.get((int) op - 1), gpu.word(address + 8), gpu.word(address + 16));
    }
  }

  private void clear() {
    gpu.setWord(address, 0);
  }
}
