package io.quern.opencl;

/** What tests need. */
final class Devices {
  static final String MISSING =
      "there is no OpenCL device; Debian's pocl-opencl-icd makes the processor one";

  private Devices() {}

  /** Whether there is an OpenCL device. */
  static boolean areThere() {
    return Library.get().problem().isEmpty();
  }
}
