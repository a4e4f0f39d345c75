package io.quern.cuda;

import jcuda.Pointer;

/** JCuda's form of an address, which it keeps to itself and to classes that extend its own. */
final class HostAddress extends Pointer {
  HostAddress() {}

  HostAddress(long address) {
    super(address);
  }

  long address() {
    return getNativePointer();
  }
}
