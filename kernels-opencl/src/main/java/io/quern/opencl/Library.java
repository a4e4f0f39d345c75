package io.quern.opencl;

import static org.lwjgl.opencl.CL10.*;

import io.quern.runtime.Knob;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.lwjgl.opencl.CL;
import org.lwjgl.system.Configuration;

/** The OpenCL library of this machine and the devices of its platforms, GPUs first. */
final class Library {
  private static final Knob ENABLED =
      Knob.of("quern.opencl", "on", "whether OpenCL drivers are looked for; off if one hangs");

  private static final Knob LIBRARY =
      Knob.of("quern.opencl.library", "", "file of the OpenCL library (default: searched for)");

  /** Where loaders are found, in the order in which they are tried. */
  private static final List<String> NAMES =
      List.of(
          "libOpenCL.so.1",
          "libOpenCL.so",
          "OpenCL",
          "/System/Library/Frameworks/OpenCL.framework/OpenCL");

  /** What clGetPlatformIDs says when there is no driver, and clGetDeviceIDs when no device. */
  private static final int NO_PLATFORM = -1001;

  private static final int NO_DEVICE = -1;

  private static final Pattern VERSION = Pattern.compile("OpenCL (\\d)\\.(\\d)");

  /** Local memory that kernels take at most, which OpenCL 1.2 promises. */
  private static final long LOCAL_BYTES = 32 << 10;

  /** What was found when the library was first asked for. */
  private static final class Found {
    static final Library LIBRARY = SignalHandlers.kept(Library::find);
  }

  /** A device of a platform. */
  record Handle(long platform, long device) {}

  private final String problem;
  private final List<Handle> devices;

  private Library(String problem, List<Handle> devices) {
    this.problem = problem;
    this.devices = devices;
  }

  static Library get() {
    return Found.LIBRARY;
  }

  /** Why there is no device; empty when there are some. */
  String problem() {
    return problem;
  }

  List<Handle> devices() {
    return devices;
  }

  private static Library none(String problem) {
    return new Library(problem, List.of());
  }

  private static Library find() {
    if (!ENABLED.isOn()) {
      return none("switched off by " + ENABLED.name());
    }
    List<String> names = LIBRARY.value().isEmpty() ? NAMES : List.of(LIBRARY.value());
    try {
      // Or else the class CL loads the library itself, and is unusable when there is none.
      Configuration.OPENCL_EXPLICIT_INIT.set(true);
      if (Configuration.MEMORY_BACKEND.get() == null) {
        Configuration.MEMORY_BACKEND.set("ffm"); // what it takes otherwise makes the JVM warn
      }
      if (names.stream().noneMatch(Library::load)) {
        return none(
            "no OpenCL library was found (looked for "
                + String.join(", ", names)
                + "); install the driver of the device, or PoCL for the CPU");
      }
      return search();
    } catch (Throwable e) {
      return none("the OpenCL library does not answer: " + e.getMessage());
    }
  }

  private static boolean load(String name) {
    try {
      CL.create(name);
      return true;
    } catch (UnsatisfiedLinkError e) {
      return false;
    }
  }

  private static Library search() {
    List<Handle> devices = new ArrayList<>();
    List<String> problems = new ArrayList<>();
    for (long platform : platforms()) {
      try {
        for (long device : devices(platform)) {
          String problem = problem(device);
          if (problem.isEmpty()) {
            devices.add(new Handle(platform, device));
          } else {
            problems.add(DeviceInfo.text(device, CL_DEVICE_NAME) + " " + problem);
          }
        }
      } catch (RuntimeException e) {
        problems.add(e.getMessage());
      }
    }
    if (devices.isEmpty()) {
      problems.add("no OpenCL driver has a device; install the device's driver, or PoCL");
      return none(String.join("; ", problems));
    }
    devices.sort(Comparator.comparing(each -> !isGpu(each.device)));
    return new Library("", List.copyOf(devices));
  }

  /** Why kernels cannot run on a device; empty if they can. */
  private static String problem(long device) {
    Matcher version = VERSION.matcher(DeviceInfo.text(device, CL_DEVICE_VERSION));
    if (!version.find() || 10 * digit(version, 1) + digit(version, 2) < 12) {
      return "has no OpenCL 1.2";
    }
    if (DeviceInfo.number(device, CL_DEVICE_AVAILABLE) == 0) {
      return "is not available";
    }
    return DeviceInfo.number(device, CL_DEVICE_LOCAL_MEM_SIZE) < LOCAL_BYTES
        ? "has less than " + LOCAL_BYTES + " bytes of local memory"
        : "";
  }

  private static int digit(Matcher version, int group) {
    return Integer.parseInt(version.group(group));
  }

  private static boolean isGpu(long device) {
    return (DeviceInfo.number(device, CL_DEVICE_TYPE) & CL_DEVICE_TYPE_GPU) != 0;
  }

  /** Fills an array with as many handles as it has, and says how many there are. */
  private interface Query {
    int call(int length, long handles, long count);
  }

  private static long[] platforms() {
    return handles(
        "clGetPlatformIDs", NO_PLATFORM, (n, to, count) -> nclGetPlatformIDs(n, to, count));
  }

  private static long[] devices(long platform) {
    return handles(
        "clGetDeviceIDs",
        NO_DEVICE,
        (n, to, count) -> nclGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, n, to, count));
  }

  private static long[] handles(String call, int none, Query query) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment count = arena.allocate(ValueLayout.JAVA_INT);
      int error = query.call(0, 0, count.address());
      if (error == none) {
        return new long[0];
      }
      OpenClGpu.check(call, error);
      int length = count.get(ValueLayout.JAVA_INT, 0);
      MemorySegment handles = arena.allocate(ValueLayout.JAVA_LONG, Math.max(1, length));
      OpenClGpu.check(call, length == 0 ? 0 : query.call(length, handles.address(), 0));
      return handles.asSlice(0, 8L * length).toArray(ValueLayout.JAVA_LONG);
    }
  }
}
