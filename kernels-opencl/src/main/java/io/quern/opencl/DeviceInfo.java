package io.quern.opencl;

import static org.lwjgl.opencl.CL10.nclGetDeviceInfo;
import static org.lwjgl.opencl.CL10.nclGetPlatformInfo;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** What a driver says of a device. */
final class DeviceInfo {
  private DeviceInfo() {}

  /** A number of up to 64 bits. */
  static long number(long device, int name) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment value = arena.allocate(ValueLayout.JAVA_LONG);
      OpenClGpu.check("clGetDeviceInfo", nclGetDeviceInfo(device, name, 8, value.address(), 0));
      return value.get(ValueLayout.JAVA_LONG, 0);
    }
  }

  static String text(long device, int name) {
    return text((bytes, to, size) -> nclGetDeviceInfo(device, name, bytes, to, size));
  }

  /** What a driver says of itself. */
  static String ofPlatform(long platform, int name) {
    return text((bytes, to, size) -> nclGetPlatformInfo(platform, name, bytes, to, size));
  }

  /** Writes a text to {@code to}, and its length to {@code size}, where they are not 0. */
  private interface Query {
    int call(long bytes, long to, long size);
  }

  private static String text(Query query) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment size = arena.allocate(ValueLayout.JAVA_LONG);
      OpenClGpu.check("clGetInfo", query.call(0, 0, size.address()));
      long bytes = size.get(ValueLayout.JAVA_LONG, 0);
      MemorySegment text = arena.allocate(Math.max(1, bytes));
      OpenClGpu.check("clGetInfo", query.call(bytes, text.address(), 0));
      return text.getString(0).strip();
    }
  }
}
