package io.quern.opencl;

import io.quern.gpu.GpuException;

/** An OpenCL driver refused a call, or work that was queued before has failed. */
public final class OpenClException extends GpuException {
  private static final long serialVersionUID = 1;

  OpenClException(String call, int code) {
    this(call, code, describe(code));
  }

  OpenClException(String call, int code, String description) {
    super("opencl: " + call + ": " + description + " (error " + code + ")", code, isSticky(code));
  }

  /** The device is gone, its queue is broken, or (NVIDIA) it touched memory that is not its own. */
  private static boolean isSticky(int code) {
    return switch (code) {
      case -2, -14, -36, -9999 -> true;
      default -> false;
    };
  }

  private static String describe(int code) {
    return switch (code) {
      case -2 -> "the device is not available";
      case -4 -> "memory could not be allocated";
      case -5 -> "the device is out of resources";
      case -6 -> "the host is out of memory";
      case -11 -> "the program does not build";
      case -14 -> "work that was queued before has failed";
      case -36 -> "the command queue is invalid";
      case -46 -> "there is no such kernel";
      case -52 -> "arguments of the kernel are missing";
      case -54 -> "the device does not take work-groups of this size";
      case -61 -> "the device does not have buffers of this size";
      case -9999 -> "illegal access to memory";
      default -> "refused";
    };
  }
}
