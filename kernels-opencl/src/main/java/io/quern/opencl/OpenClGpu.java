package io.quern.opencl;

import static org.lwjgl.opencl.CL10.*;

import io.quern.backend.KernelTable;
import io.quern.gpu.ChainWriter;
import io.quern.gpu.Gpu;
import io.quern.gpu.GpuContext;
import io.quern.gpu.Grid;
import io.quern.op.MatMul;
import io.quern.runtime.HostMemory;
import io.quern.runtime.Knob;
import io.quern.runtime.Raw;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import org.lwjgl.opencl.CL12;

/** A device through LWJGL's bindings, by their functions that take addresses. */
final class OpenClGpu implements Gpu {
  private static final Knob LIMIT =
      Knob.of(
          "quern.opencl.memory.limit",
          "",
          "memory of an OpenCL device for tensors, such as 8g (default: all)");

  /** Buffers, programs and kernels that there are in this process. */
  private static final AtomicInteger OBJECTS = new AtomicInteger();

  /** Bytes of a handle. */
  private static final long HANDLE = 8;

  private final long device;
  private final String platform;

  /** What results of tuning and built programs are good for. */
  private final String identity;

  private final long context;
  private final long queue;
  private final String options;
  private final ChainWriter chains;
  private final Tuning tuning;
  private final String header = resource("quern.clh");

  /** For the arguments of a launch: a handle, an offset, and the global and local sizes. */
  private final long frame = HostMemory.shared().allocate(64).address();

  private volatile Buffers buffers = Buffers.NONE;

  OpenClGpu(Library.Handle handle) {
    this.device = handle.device();
    this.platform = DeviceInfo.ofPlatform(handle.platform(), CL_PLATFORM_NAME);
    this.identity =
        DeviceInfo.text(device, CL_DEVICE_NAME) + ", " + DeviceInfo.text(device, CL_DRIVER_VERSION);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment error = arena.allocate(ValueLayout.JAVA_INT);
      MemorySegment properties =
          arena.allocateFrom(ValueLayout.JAVA_LONG, CL_CONTEXT_PLATFORM, handle.platform(), 0);
      MemorySegment devices = arena.allocateFrom(ValueLayout.JAVA_LONG, device);
      this.context =
          nclCreateContext(properties.address(), 1, devices.address(), 0, 0, error.address());
      check("clCreateContext", error.get(ValueLayout.JAVA_INT, 0));
      this.queue = nclCreateCommandQueue(context, device, 0, error.address());
      check("clCreateCommandQueue", error.get(ValueLayout.JAVA_INT, 0));
    }
    long exact = DeviceInfo.number(device, CL_DEVICE_SINGLE_FP_CONFIG);
    this.options =
        (exact & CL12.CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT) != 0
            ? "-cl-std=CL1.2 -cl-fp32-correctly-rounded-divide-sqrt"
            : "-cl-std=CL1.2";
    this.chains = new ChainSource(isCpu() ? 16 : 4);
    this.tuning = new Tuning(identity, isCpu(), blockThreads());
  }

  static void check(String call, int error) {
    if (error != CL_SUCCESS) {
      throw new OpenClException(call, error);
    }
  }

  /** Number of buffers, programs and kernels that there are in this process. */
  static int objects() {
    return OBJECTS.get();
  }

  boolean isCpu() {
    return (DeviceInfo.number(device, CL_DEVICE_TYPE) & CL_DEVICE_TYPE_CPU) != 0;
  }

  @Override
  public String backend() {
    return "opencl";
  }

  @Override
  public String describe() {
    return String.format(
        Locale.ROOT,
        "%s by %s, platform %s, %s, driver %s, %d compute units, %.0f GiB, matmul in tiles of %s%s",
        DeviceInfo.text(device, CL_DEVICE_NAME),
        DeviceInfo.text(device, CL_DEVICE_VENDOR),
        platform,
        DeviceInfo.text(device, CL_DEVICE_VERSION),
        DeviceInfo.text(device, CL_DRIVER_VERSION),
        multiprocessors(),
        memory() / (double) (1 << 30),
        tuning.tile(),
        tuning.isTuned() ? ", tuned" : "");
  }

  @Override
  public List<String> advice() {
    return tuning.isTuned() ? List.of() : List.of("run 'quern tune-kernels' once, for matmul");
  }

  @Override
  public List<String> tune(GpuContext on) {
    return tuning.search(on);
  }

  @Override
  public void addKernels(GpuContext on, KernelTable table) {
    on.add(table, MatMul.class, "matmul_tile", key -> TiledProducts.create(on, this, tuning, key));
    if (isCpu()) {
      Strips.addTo(table, on, multiprocessors());
    }
  }

  @Override
  public int multiprocessors() {
    return (int) DeviceInfo.number(device, CL_DEVICE_MAX_COMPUTE_UNITS);
  }

  @Override
  public int blockThreads() {
    return (int) Math.min(1024, DeviceInfo.number(device, CL_DEVICE_MAX_WORK_GROUP_SIZE));
  }

  // ---- memory -------------------------------------------------------------------------------

  @Override
  public long memory() {
    return DeviceInfo.number(device, CL_DEVICE_GLOBAL_MEM_SIZE);
  }

  @Override
  public Knob memoryLimit() {
    return LIMIT;
  }

  @Override
  public synchronized long allocate(long bytes) {
    if (bytes > DeviceInfo.number(device, CL_DEVICE_MAX_MEM_ALLOC_SIZE)) {
      return 0;
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment error = arena.allocate(ValueLayout.JAVA_INT);
      long handle = nclCreateBuffer(context, CL_MEM_READ_WRITE, bytes, 0, error.address());
      int code = error.get(ValueLayout.JAVA_INT, 0);
      if (code == CL_MEM_OBJECT_ALLOCATION_FAILURE || code == CL_OUT_OF_RESOURCES) {
        return 0;
      }
      check("clCreateBuffer", code);
      OBJECTS.incrementAndGet();
      long address = buffers.next();
      buffers = buffers.with(handle, bytes);
      return address;
    }
  }

  @Override
  public synchronized void free(long address) {
    finish();
    int index = buffers.find(address);
    long handle = buffers.handle(index);
    buffers = buffers.without(index);
    check("clReleaseMemObject", clReleaseMemObject(handle));
    OBJECTS.decrementAndGet();
  }

  @Override
  public void copyToDevice(long to, long from, long bytes) {
    Buffers all = buffers;
    int index = all.find(to);
    long at = to - all.start(index);
    check(
        "clEnqueueWriteBuffer",
        nclEnqueueWriteBuffer(queue, all.handle(index), CL_FALSE, at, bytes, from, 0, 0, 0));
  }

  @Override
  public void copyToHost(long to, long from, long bytes) {
    Buffers all = buffers;
    int index = all.find(from);
    long at = from - all.start(index);
    check(
        "clEnqueueReadBuffer",
        nclEnqueueReadBuffer(queue, all.handle(index), CL_FALSE, at, bytes, to, 0, 0, 0));
  }

  @Override
  public long allocateWords(int count) {
    return allocate(8L * count);
  }

  @Override
  public long word(long address) {
    copyToHost(frame, address, 8);
    finish();
    return Raw.getLong(frame);
  }

  @Override
  public void setWord(long address, long value) {
    Raw.putLong(frame, value);
    copyToDevice(address, frame, 8);
    finish();
  }

  @Override
  public void finish() {
    check("clFinish", clFinish(queue));
  }

  // ---- programs -----------------------------------------------------------------------------

  @Override
  public String source(String file) {
    return resource(file + ".cl");
  }

  static String resource(String file) {
    try (InputStream in = OpenClGpu.class.getResourceAsStream(file)) {
      if (in == null) {
        throw new IllegalStateException("opencl: " + file + " is missing from the jar");
      }
      return new String(in.readAllBytes(), StandardCharsets.US_ASCII);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public ChainWriter chains() {
    return chains;
  }

  @Override
  public long load(String text) {
    String source = header + text;
    long program = isCpu() ? built(source) : cached(source);
    OBJECTS.incrementAndGet();
    return program;
  }

  /** A program from the cache. PoCL has one of its own, and would build all kernels for ours. */
  long cached(String source) {
    String key = String.join("\n", "program", identity, options, source);
    Optional<byte[]> binary = OpenClBackend.CACHE.get(key);
    long program = binary.isEmpty() ? 0 : built(binary.get());
    if (program == 0) {
      program = built(source);
      OpenClBackend.CACHE.put(key, binary(program));
    }
    return program;
  }

  private long built(String source) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment error = arena.allocate(ValueLayout.JAVA_INT);
      MemorySegment lines = arena.allocateFrom(source, StandardCharsets.US_ASCII);
      MemorySegment pointer = arena.allocateFrom(ValueLayout.JAVA_LONG, lines.address());
      long program = nclCreateProgramWithSource(context, 1, pointer.address(), 0, error.address());
      check("clCreateProgramWithSource", error.get(ValueLayout.JAVA_INT, 0));
      int code = build(program);
      if (code != CL_SUCCESS) {
        String log = buildLog(program);
        clReleaseProgram(program);
        throw new OpenClException("clBuildProgram", code, log);
      }
      return program;
    }
  }

  /** A program that was built before, or 0 if the driver does not take it any more. */
  private long built(byte[] binary) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment error = arena.allocate(ValueLayout.JAVA_INT);
      MemorySegment devices = arena.allocateFrom(ValueLayout.JAVA_LONG, device);
      MemorySegment length = arena.allocateFrom(ValueLayout.JAVA_LONG, binary.length);
      MemorySegment bytes = arena.allocateFrom(ValueLayout.JAVA_BYTE, binary);
      MemorySegment pointer = arena.allocateFrom(ValueLayout.JAVA_LONG, bytes.address());
      long program =
          nclCreateProgramWithBinary(
              context,
              1,
              devices.address(),
              length.address(),
              pointer.address(),
              0,
              error.address());
      if (error.get(ValueLayout.JAVA_INT, 0) != CL_SUCCESS) {
        return 0;
      }
      if (build(program) != CL_SUCCESS) {
        clReleaseProgram(program);
        return 0;
      }
      return program;
    }
  }

  private int build(long program) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment devices = arena.allocateFrom(ValueLayout.JAVA_LONG, device);
      long text = arena.allocateFrom(options).address();
      return SignalHandlers.kept(() -> nclBuildProgram(program, 1, devices.address(), text, 0, 0));
    }
  }

  private static byte[] binary(long program) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment size = arena.allocate(ValueLayout.JAVA_LONG);
      check(
          "clGetProgramInfo",
          nclGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, 8, size.address(), 0));
      MemorySegment bytes = arena.allocate(Math.max(1, size.get(ValueLayout.JAVA_LONG, 0)));
      MemorySegment pointer = arena.allocateFrom(ValueLayout.JAVA_LONG, bytes.address());
      check(
          "clGetProgramInfo",
          nclGetProgramInfo(program, CL_PROGRAM_BINARIES, 8, pointer.address(), 0));
      return bytes.toArray(ValueLayout.JAVA_BYTE);
    }
  }

  private String buildLog(long program) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment size = arena.allocate(ValueLayout.JAVA_LONG);
      nclGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, 0, 0, size.address());
      long bytes = size.get(ValueLayout.JAVA_LONG, 0);
      MemorySegment log = arena.allocate(bytes + 1);
      nclGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, bytes, log.address(), 0);
      return log.getString(0).strip();
    }
  }

  @Override
  public long function(long module, String name) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment error = arena.allocate(ValueLayout.JAVA_INT);
      long kernel = nclCreateKernel(module, arena.allocateFrom(name).address(), error.address());
      if (error.get(ValueLayout.JAVA_INT, 0) == CL_INVALID_KERNEL_NAME) {
        return 0;
      }
      check("clCreateKernel " + name, error.get(ValueLayout.JAVA_INT, 0));
      OBJECTS.incrementAndGet();
      return kernel;
    }
  }

  @Override
  public int mostThreads(long function) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment value = arena.allocate(ValueLayout.JAVA_LONG);
      check(
          "clGetKernelWorkGroupInfo",
          nclGetKernelWorkGroupInfo(
              function, device, CL_KERNEL_WORK_GROUP_SIZE, 8, value.address(), 0));
      return (int) Math.min(blockThreads(), value.get(ValueLayout.JAVA_LONG, 0));
    }
  }

  // ---- launches -----------------------------------------------------------------------------

  @Override
  public void launch(long function, Grid grid, int[] sizes, long parameters) {
    int argument = 0;
    for (int i = 0; i < sizes.length; i++) {
      long value = Raw.getLong(parameters + 8L * i);
      if (sizes[i] == 0) {
        setAddress(function, argument, Raw.getLong(value));
        argument += 2;
      } else {
        set(function, argument++, sizes[i], value);
      }
    }
    Raw.putLong(frame, (long) grid.x() * grid.threads());
    Raw.putLong(frame + 8, grid.y());
    Raw.putLong(frame + 16, grid.z());
    Raw.putLong(frame + 24, grid.threads());
    Raw.putLong(frame + 32, 1);
    Raw.putLong(frame + 40, 1);
    check(
        "clEnqueueNDRangeKernel",
        nclEnqueueNDRangeKernel(queue, function, 3, 0, frame, frame + 24, 0, 0, 0));
  }

  /** An address is two arguments: a buffer, and bytes into it. */
  private void setAddress(long function, int argument, long address) {
    Buffers all = buffers;
    int index = address == 0 ? -1 : all.find(address);
    if (index >= 0) {
      Raw.putLong(frame, all.handle(index));
    }
    Raw.putLong(frame + 8, index >= 0 ? address - all.start(index) : 0);
    set(function, argument, HANDLE, index >= 0 ? frame : 0);
    set(function, argument + 1, Long.BYTES, frame + 8);
  }

  private static void set(long function, int argument, long bytes, long value) {
    check("clSetKernelArg", nclSetKernelArg(function, argument, bytes, value));
  }
}
