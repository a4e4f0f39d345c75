package io.quern.train;

import io.quern.DType;
import io.quern.Device;
import io.quern.nn.Mode;
import io.quern.nn.Module;
import java.util.stream.Stream;

/** Where the same seed, data and settings of a training give the same bits. */
public enum Reproducibility {
  /** On the same machine, with any number of threads. */
  R1("the same bits on the same machine"),

  /** On every CPU, whatever its vectors, with any number of threads. */
  R3("the same bits on every CPU");

  private final String meaning;

  Reproducibility(String meaning) {
    this.meaning = meaning;
  }

  /**
   * What can be relied on when {@code model} is used in {@code mode}: R3 on CPUs, but R1 for
   * products of BF16, whose instructions round differently, and on other devices.
   */
  public static Reproducibility of(Module model, Mode mode) {
    Device device = Evaluation.deviceOf(model);
    if (device == Device.reference()) {
      return R3;
    }
    Stream<DType> weights = model.parameters().values().stream().map(weight -> weight.dtype());
    boolean narrow =
        mode.precision().map(Stream::of).orElse(weights).anyMatch(dtype -> dtype == DType.BF16);
    return device == Device.cpu() && !narrow ? R3 : R1;
  }

  /** Such as {@code R3, the same bits on every CPU}. */
  @Override
  public String toString() {
    return name() + ", " + meaning;
  }
}
