package io.quern.runtime;

/** Whether what is slow at first is made ready before it is needed. */
public final class WarmUp {
  private static final Knob WARM_UP =
      Knob.of(
          "quern.warmup",
          "on",
          "off uses vector kernels at once, slow as they are until the JVM has compiled them, and"
              + " runs no plan before it is asked to");

  private WarmUp() {}

  /** Whether it is. */
  public static boolean isOn() {
    return WARM_UP.isOn();
  }
}
