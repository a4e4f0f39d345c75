package io.quern.cuda;

import io.quern.gpu.Grid;
import io.quern.runtime.Knob;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.List;

/**
 * The driver's library, found without touching JCuda, whose classes stay unusable when they are
 * first used without it.
 */
final class Driver {
  static final Knob LIBRARY =
      Knob.of("quern.cuda.driver", "", "file of the CUDA driver's library (default: searched for)");

  /** Where drivers put it, in the order in which they are tried. */
  private static final List<String> NAMES =
      List.of("libcuda.so.1", "/usr/local/nvidia/lib64/libcuda.so.1", "nvcuda.dll");

  // Numbers of the driver's header.
  private static final int TYPE_F16 = 6;
  private static final int TYPE_BF16 = 9;
  private static final int SWIZZLE_128 = 3;
  private static final int PROMOTE_256 = 3;

  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
  private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;

  /** Stands for functions of a driver that is not there; nobody calls it. */
  private static final MethodHandle MISSING = MethodHandles.empty(MethodType.methodType(int.class));

  /** What was found when the driver was first asked for. */
  private static final class Found {
    static final Driver DRIVER = find();
  }

  private final String problem;
  private final int devices;
  private final int version;
  private final MethodHandle setCurrent;
  private final MethodHandle launch;
  private final MethodHandle encode;

  private Driver(String problem) {
    this.problem = problem;
    this.devices = 0;
    this.version = 0;
    this.setCurrent = MISSING;
    this.launch = MISSING;
    this.encode = MISSING;
  }

  private Driver(SymbolLookup library, int devices, int version) {
    this.problem = "";
    this.devices = devices;
    this.version = version;
    this.setCurrent = bind(library, "cuCtxSetCurrent", LONG);
    this.launch =
        bind(library, "cuLaunchKernel", LONG, INT, INT, INT, INT, INT, INT, INT, LONG, LONG, LONG);
    // Drivers from CUDA 12 on have it, and only devices that need one of those use it.
    this.encode =
        library.find("cuTensorMapEncodeTiled").isEmpty()
            ? MISSING
            : bind(
                library,
                "cuTensorMapEncodeTiled",
                LONG,
                INT,
                INT,
                LONG,
                LONG,
                LONG,
                LONG,
                LONG,
                INT,
                INT,
                INT,
                INT);
  }

  /** The driver of this machine, or why there is none. */
  static Driver get() {
    return Found.DRIVER;
  }

  private static Driver find() {
    List<String> names = LIBRARY.value().isEmpty() ? NAMES : List.of(LIBRARY.value());
    SymbolLookup library = null;
    try {
      for (int i = 0; library == null && i < names.size(); i++) {
        library = load(names.get(i));
      }
    } catch (IllegalCallerException e) {
      return new Driver(
          "the JVM denies native access; start java with --enable-native-access=io.quern.cuda");
    }
    if (library == null) {
      return new Driver(
          "no NVIDIA driver was found (looked for "
              + String.join(", ", names)
              + "); install the driver of the GPU");
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment number = arena.allocate(INT);
      int error = (int) bind(library, "cuInit", INT).invoke(0);
      if (error != 0) {
        return new Driver(reason(error));
      }
      check("cuDriverGetVersion", library, number);
      int version = number.get(INT, 0);
      check("cuDeviceGetCount", library, number);
      return new Driver(library, number.get(INT, 0), version);
    } catch (Throwable e) {
      return new Driver("the NVIDIA driver does not answer: " + e.getMessage());
    }
  }

  @SuppressWarnings("restricted")
  private static SymbolLookup load(String name) {
    try {
      return SymbolLookup.libraryLookup(name, Arena.global());
    } catch (IllegalArgumentException e) {
      return null;
    }
  }

  private static void check(String function, SymbolLookup library, MemorySegment number)
      throws Throwable {
    int error = (int) bind(library, function, LONG).invoke(number.address());
    if (error != 0) {
      throw new CudaException(function, error, "failed");
    }
  }

  private static String reason(int error) {
    return switch (error) {
      case 100 -> "the NVIDIA driver has no device";
      case 803 -> "the NVIDIA driver's library and kernel module differ; restart the machine";
      case 999 -> "the NVIDIA driver does not start (error 999); see dmesg";
      default -> "the NVIDIA driver does not start (error " + error + ")";
    };
  }

  @SuppressWarnings("restricted")
  private static MethodHandle bind(
      SymbolLookup library, String name, java.lang.foreign.MemoryLayout... parameters) {
    MemorySegment symbol =
        library
            .find(name)
            .orElseThrow(() -> new UnsatisfiedLinkError("the driver is too old: no " + name));
    return Linker.nativeLinker().downcallHandle(symbol, FunctionDescriptor.of(INT, parameters));
  }

  /** Why there is no device; empty when there are some. */
  String problem() {
    return problem;
  }

  int devices() {
    return devices;
  }

  int version() {
    return version;
  }

  /** Makes a context the one of the calling thread. */
  int setCurrent(long context) {
    try {
      return (int) setCurrent.invokeExact(context);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  /** Queues a launch, in 20 nanoseconds where JCuda's call takes 5 microseconds. */
  int launch(long function, Grid grid, long stream, long parameters) {
    try {
      return (int)
          launch.invokeExact(
              function,
              grid.x(),
              grid.y(),
              grid.z(),
              grid.threads(),
              1,
              1,
              grid.shared(),
              stream,
              parameters,
              0L);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  /** Writes the driver's form of a map of tiles whose rows of 128 bytes are swizzled. */
  int encode(TileMap map, long matrices, long to) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment longs =
          arena.allocateFrom(
              LONG,
              map.inner(),
              map.rows(),
              map.matrices(),
              map.batches(),
              map.rowBytes(),
              map.matrixBytes(),
              map.batchBytes());
      MemorySegment ints =
          arena.allocateFrom(INT, map.tileInner(), map.tileRows(), 1, 1, 1, 1, 1, 1);
      return (int)
          encode.invokeExact(
              to,
              map.bf16() ? TYPE_BF16 : TYPE_F16,
              4,
              matrices,
              longs.address(),
              longs.address() + 4 * 8,
              ints.address(),
              ints.address() + 4 * 4,
              0,
              SWIZZLE_128,
              PROMOTE_256,
              0);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }
}
