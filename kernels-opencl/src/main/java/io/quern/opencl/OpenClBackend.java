package io.quern.opencl;

import io.quern.backend.Backend;
import io.quern.backend.DeviceContext;
import io.quern.gpu.DiskCache;
import io.quern.gpu.GpuContext;

/** Devices with an OpenCL driver. A machine without a driver or without a device only says so. */
public final class OpenClBackend implements Backend {
  static final DiskCache CACHE =
      new DiskCache("opencl", "built OpenCL programs and the results of tuning");

  /** For the service loader. */
  public OpenClBackend() {}

  @Override
  public String name() {
    return "opencl";
  }

  @Override
  public Probe probe() {
    Library library = Library.get();
    int devices = library.devices().size();
    return new Probe(devices, devices == 0 ? library.problem() : "by OpenCL drivers");
  }

  @Override
  public DeviceContext open(int index) {
    return new GpuContext(new OpenClGpu(Library.get().devices().get(index)));
  }
}
