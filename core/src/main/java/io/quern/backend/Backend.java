package io.quern.backend;

/**
 * A family of devices, found by {@link java.util.ServiceLoader}. Probing never throws and never
 * loads what may be missing.
 */
public interface Backend {
  /** Name in device strings, such as {@code cpu}. */
  String name();

  /** Devices that can be opened, and why there are not more or none. */
  Probe probe();

  /** Opens a device; {@code index} is less than the probed count. */
  DeviceContext open(int index);

  /** Outcome of a probe. */
  record Probe(int devices, String reason) {}
}
