package io.quern.conformance;

import io.quern.Device;

/** How the tensors of a case are computed. */
public enum Mode {
  /** Op by op on the reference device. */
  EAGER_REFERENCE {
    @Override
    Device device(Device underTest) {
      return Device.reference();
    }
  },
  /** Op by op on the device under test. */
  EAGER_BACKEND {
    @Override
    Device device(Device underTest) {
      return underTest;
    }
  };

  /** Where the tensors lie. */
  abstract Device device(Device underTest);
}
