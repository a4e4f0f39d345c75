package io.quern.cuda;

import io.quern.backend.Backend;
import io.quern.backend.DeviceContext;
import io.quern.gpu.GpuContext;

/** NVIDIA GPUs. A machine without a driver or without a device only says so. */
public final class CudaBackend implements Backend {
  /** For the service loader. */
  public CudaBackend() {}

  @Override
  public String name() {
    return "cuda";
  }

  @Override
  public Probe probe() {
    Driver driver = Driver.get();
    return driver.problem().isEmpty()
        ? new Probe(driver.devices(), "driver for CUDA " + version(driver.version()))
        : new Probe(0, driver.problem());
  }

  static String version(int number) {
    return number / 1000 + "." + number % 1000 / 10;
  }

  @Override
  public DeviceContext open(int index) {
    Driver driver = Driver.get();
    JCudaLibrary.install();
    return new GpuContext(new JCudaGpu(driver, index));
  }
}
