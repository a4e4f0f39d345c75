package io.quern.gpu;

/** A driver refused a call, or work that was queued before has failed. */
public class GpuException extends RuntimeException {
  private static final long serialVersionUID = 1;

  private final int code;
  private final boolean sticky;

  /**
   * An error.
   *
   * @param message what failed, and why
   * @param code the driver's number of the error
   * @param sticky whether the process cannot use the device any more
   */
  public GpuException(String message, int code, boolean sticky) {
    super(message);
    this.code = code;
    this.sticky = sticky;
  }

  /** The driver's number of the error. */
  public int code() {
    return code;
  }

  /** Whether the process cannot use the device any more. */
  public boolean isSticky() {
    return sticky;
  }
}
