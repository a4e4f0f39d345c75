package io.quern.cli.readme;

import io.quern.Device;
import io.quern.Tensor;

final class Gpu {
  private Gpu() {}

  static void run(Tensor image) {
    // README: gpu
    Device gpu = Device.of("cuda"); // says what is missing when there is none
    Tensor x = image.to(gpu);
    Tensor product = x.transpose(0, 1).matmul(x);
    System.out.println(product.to(Device.cpu()));
    // README: end
    product.close();
  }
}
