package io.quern.cuda;

import io.quern.gpu.GpuException;

/** The CUDA driver refused a call, or work that was queued before has failed. */
public final class CudaException extends GpuException {
  private static final long serialVersionUID = 1;

  CudaException(String call, int code, String description) {
    super("cuda: " + call + ": " + description + " (error " + code + ")", code, isSticky(code));
  }

  /** Illegal addresses and instructions, failed assertions, time-outs and errors of the memory. */
  private static boolean isSticky(int code) {
    return switch (code) {
      case 214, 220, 700, 702, 710, 714, 715, 716, 717, 718, 719 -> true;
      default -> false;
    };
  }
}
