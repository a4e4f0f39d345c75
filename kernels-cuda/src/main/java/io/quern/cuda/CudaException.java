package io.quern.cuda;

/** The CUDA driver refused a call, or work that was queued before has failed. */
public final class CudaException extends RuntimeException {
  private static final long serialVersionUID = 1;

  private final int code;

  CudaException(String call, int code, String description) {
    super("cuda: " + call + ": " + description + " (error " + code + ")");
    this.code = code;
  }

  /** The driver's number of the error. */
  public int code() {
    return code;
  }

  /**
   * Whether the process cannot use the device any more: illegal addresses and instructions, failed
   * assertions, time-outs and errors of the memory.
   */
  public boolean isSticky() {
    return switch (code) {
      case 214, 220, 700, 702, 710, 714, 715, 716, 717, 718, 719 -> true;
      default -> false;
    };
  }
}
