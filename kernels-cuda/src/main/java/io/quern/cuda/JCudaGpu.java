package io.quern.cuda;

import io.quern.backend.KernelTable;
import io.quern.cuda.ptx.ChainPtx;
import io.quern.cuda.ptx.PtxKernels;
import io.quern.gpu.BlockProductKernels;
import io.quern.gpu.ByteProductKernels;
import io.quern.gpu.ChainWriter;
import io.quern.gpu.Gpu;
import io.quern.gpu.GpuContext;
import io.quern.gpu.Grid;
import io.quern.gpu.MatMulKernels;
import io.quern.op.Attention;
import io.quern.op.AttentionGrad;
import io.quern.op.BlockMatMul;
import io.quern.op.Epilogue;
import io.quern.op.IntegerMatMul;
import io.quern.op.MatMul;
import io.quern.op.Sort;
import io.quern.op.TopK;
import io.quern.runtime.Knob;
import io.quern.runtime.Raw;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdevice_attribute;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUevent;
import jcuda.driver.CUevent_flags;
import jcuda.driver.CUfunction;
import jcuda.driver.CUfunction_attribute;
import jcuda.driver.CUgraph;
import jcuda.driver.CUgraphExec;
import jcuda.driver.CUmodule;
import jcuda.driver.CUresult;
import jcuda.driver.CUstream;
import jcuda.driver.CUstreamCaptureMode;
import jcuda.driver.CUstream_flags;
import jcuda.driver.JCudaDriver;

/** A GPU through JCuda, but for launches and contexts, where that is slow. */
final class JCudaGpu implements Gpu {
  private static final Knob LIMIT =
      Knob.of(
          "quern.cuda.memory.limit", "", "memory of a GPU for tensors, such as 8g (default: all)");

  private final Driver driver;
  private final CUdevice device = new CUdevice();
  private final Context context = new Context();
  private final Stream stream = new Stream();
  private final CUevent[] marks = new CUevent[MARKS];

  /** Devices that were asked for once. */
  private final Set<JCudaGpu> peers = new HashSet<>();

  private final Cubins cubins;
  private final List<Module> modules = new ArrayList<>();
  private final Map<Long, CUfunction> functions = new HashMap<>();
  private final Map<Long, CUgraphExec> executables = new ConcurrentHashMap<>();
  private long recordings;
  private final String name;
  private final long memory;

  JCudaGpu(Driver driver, int index) {
    this.driver = driver;
    check("cuInit", JCudaDriver.cuInit(0));
    check("cuDeviceGet", JCudaDriver.cuDeviceGet(device, index));
    byte[] text = new byte[256];
    check("cuDeviceGetName", JCudaDriver.cuDeviceGetName(text, text.length, device));
    this.name = new String(text, StandardCharsets.UTF_8).trim().replace("\0", "");
    long[] bytes = new long[1];
    check("cuDeviceTotalMem", JCudaDriver.cuDeviceTotalMem(bytes, device));
    this.memory = bytes[0];
    this.cubins = new Cubins("driver " + driver.version() + ", capability " + capability());
    check("cuDevicePrimaryCtxRetain", JCudaDriver.cuDevicePrimaryCtxRetain(context, device));
    enter();
    check(
        "cuStreamCreate",
        JCudaDriver.cuStreamCreate(stream, CUstream_flags.CU_STREAM_NON_BLOCKING));
    for (int i = 0; i < MARKS; i++) {
      marks[i] = new CUevent();
      check(
          "cuEventCreate",
          JCudaDriver.cuEventCreate(marks[i], CUevent_flags.CU_EVENT_DISABLE_TIMING));
    }
  }

  // JCuda keeps its handles to itself and to classes that extend its own.

  private static final class Context extends CUcontext {
    long handle() {
      return getNativePointer();
    }
  }

  private static final class Stream extends CUstream {
    long handle() {
      return getNativePointer();
    }
  }

  private static final class Function extends CUfunction {
    long handle() {
      return getNativePointer();
    }
  }

  private static final class DeviceAddress extends CUdeviceptr {
    DeviceAddress() {}

    DeviceAddress(long address) {
      super(new CUdeviceptr(), address);
    }

    long address() {
      return getNativePointer() + getByteOffset();
    }
  }

  /** The context belongs to threads, and calls come from any. */
  private void enter() {
    check("cuCtxSetCurrent", driver.setCurrent(context.handle()));
  }

  static void check(String call, int error) {
    if (error != CUresult.CUDA_SUCCESS) {
      String[] text = new String[1];
      JCudaDriver.cuGetErrorString(error, text);
      throw new CudaException(call, error, text[0] == null ? "unknown error" : text[0]);
    }
  }

  @Override
  public String backend() {
    return "cuda";
  }

  @Override
  public String describe() {
    return String.format(
        Locale.ROOT,
        "%s, compute capability %d.%d, %d multiprocessors, %.0f GiB, driver for CUDA %s",
        name,
        capability() / 10,
        capability() % 10,
        multiprocessors(),
        memory / (double) (1 << 30),
        CudaBackend.version(driver.version()));
  }

  private int attribute(int attribute) {
    int[] value = new int[1];
    check("cuDeviceGetAttribute", JCudaDriver.cuDeviceGetAttribute(value, attribute, device));
    return value[0];
  }

  @Override
  public void addKernels(GpuContext on, KernelTable table) {
    on.add(table, MatMul.class, "matmul_hopper", key -> TensorCores.create(on, this, key));
    on.add(
        table, Attention.class, "attention_hopper", key -> HopperAttention.forward(on, this, key));
    on.add(
        table,
        AttentionGrad.class,
        "attention_grad_hopper",
        key -> HopperAttention.gradient(on, this, key));
    on.add(table, BlockMatMul.class, "matmul_blocks", key -> BlockProductKernels.create(on, key));
    on.add(table, IntegerMatMul.class, "matmul_bytes", key -> ByteProductKernels.create(on, key));
    on.add(table, Epilogue.class, "matmul_finish_f32", key -> MatMulKernels.withEpilogue(on, key));
    on.add(table, Sort.class, "sort_lanes_f32", key -> OrderKernels.sort(on, key));
    on.add(table, TopK.class, "select_f32", key -> OrderKernels.topK(on, key));
  }

  /** Compute capability, such as 90 for 9.0. */
  int capability() {
    return 10 * attribute(CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)
        + attribute(CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
  }

  @Override
  public int multiprocessors() {
    return attribute(CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
  }

  @Override
  public long memory() {
    return memory;
  }

  @Override
  public Knob memoryLimit() {
    return LIMIT;
  }

  @Override
  public int blockThreads() {
    return 1024;
  }

  @Override
  public ChainWriter chains() {
    return ChainPtx.writer(capability());
  }

  /** Files {@code *_ampere} have functions of another, and more, that use what 8.0 has. */
  @Override
  public List<String> variants(String file) {
    String ampere = file + "_ampere";
    return capability() >= 80 && JCudaGpu.class.getResource(ampere + ".ptx") != null
        ? List.of(ampere, file)
        : List.of(file);
  }

  @Override
  public String source(String file) {
    try (InputStream in = JCudaGpu.class.getResourceAsStream(file + ".ptx")) {
      if (in == null) {
        throw new IllegalStateException("cuda: " + file + ".ptx is missing from the jar");
      }
      return new String(in.readAllBytes(), StandardCharsets.US_ASCII);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public long allocate(long bytes) {
    enter();
    DeviceAddress address = new DeviceAddress();
    int error = JCudaDriver.cuMemAlloc(address, bytes);
    if (error == CUresult.CUDA_ERROR_OUT_OF_MEMORY) {
      return 0;
    }
    check("cuMemAlloc", error);
    return address.address();
  }

  @Override
  public void free(long address) {
    enter();
    check("cuMemFree", JCudaDriver.cuMemFree(new DeviceAddress(address)));
  }

  @Override
  public long allocatePinned(long bytes) {
    enter();
    HostAddress address = new HostAddress();
    check("cuMemHostAlloc", JCudaDriver.cuMemHostAlloc(address, bytes, 0));
    return address.address();
  }

  @Override
  public long allocateWords(int count) {
    return allocatePinned(8L * count);
  }

  @Override
  public long word(long address) {
    return Raw.getLong(address);
  }

  @Override
  public void setWord(long address, long value) {
    Raw.putLong(address, value);
  }

  @Override
  public void copyToDevice(long to, long from, long bytes) {
    enter();
    check(
        "cuMemcpyHtoDAsync",
        JCudaDriver.cuMemcpyHtoDAsync(new DeviceAddress(to), new HostAddress(from), bytes, stream));
  }

  @Override
  public void copyToHost(long to, long from, long bytes) {
    enter();
    check(
        "cuMemcpyDtoHAsync",
        JCudaDriver.cuMemcpyDtoHAsync(new HostAddress(to), new DeviceAddress(from), bytes, stream));
  }

  @Override
  public void mark(int number) {
    enter();
    check("cuEventRecord", JCudaDriver.cuEventRecord(marks[number], stream));
  }

  @Override
  public void await(int number) {
    enter();
    check("cuEventSynchronize", JCudaDriver.cuEventSynchronize(marks[number]));
  }

  // ---- other devices --------------------------------------------------------------------------

  /** Lets copies from a device go without a detour by host memory, where the machine can. */
  @Override
  public synchronized boolean reaches(Gpu other) {
    if (!(other instanceof JCudaGpu peer)) {
      return false;
    }
    if (peers.add(peer)) {
      enter();
      int[] can = new int[1];
      check("cuDeviceCanAccessPeer", JCudaDriver.cuDeviceCanAccessPeer(can, device, peer.device));
      if (can[0] != 0) {
        // Where the driver refuses, as it does with too many peers, copies are slower.
        JCudaDriver.cuCtxEnablePeerAccess(peer.context, 0);
      }
    }
    return true;
  }

  @Override
  public void follow(Gpu other, int mark) {
    enter();
    CUevent event = ((JCudaGpu) other).marks[mark];
    check("cuStreamWaitEvent", JCudaDriver.cuStreamWaitEvent(stream, event, 0));
  }

  @Override
  public void copyFromPeer(Gpu other, long from, long to, long bytes) {
    enter();
    JCudaGpu source = (JCudaGpu) other;
    check(
        "cuMemcpyPeerAsync",
        JCudaDriver.cuMemcpyPeerAsync(
            new DeviceAddress(to),
            context,
            new DeviceAddress(from),
            source.context,
            bytes,
            stream));
  }

  @Override
  public void finish() {
    enter();
    check("cuStreamSynchronize", JCudaDriver.cuStreamSynchronize(stream));
  }

  /** Where functions are found. */
  private interface Module {
    /** The driver's module that has a function, if it is there at all. */
    Optional<CUmodule> with(String function);
  }

  /** Each kernel is compiled by itself when it is asked for. */
  @Override
  public long load(String ptx) {
    PtxKernels kernels = PtxKernels.of(ptx);
    return add(function -> kernels.only(function).map(Cubins::compile));
  }

  @Override
  public long loadGenerated(String ptx) {
    enter();
    Optional<CUmodule> module = Optional.of(cubins.load(ptx));
    return add(_ -> module);
  }

  private long add(Module module) {
    modules.add(module);
    return modules.size() - 1L;
  }

  @Override
  public long function(long module, String function) {
    enter();
    Optional<CUmodule> having = modules.get((int) module).with(function);
    if (having.isEmpty()) {
      return 0;
    }
    Function found = new Function();
    int result = JCudaDriver.cuModuleGetFunction(found, having.get(), function);
    if (result == CUresult.CUDA_ERROR_NOT_FOUND) {
      return 0;
    }
    check("cuModuleGetFunction " + function, result);
    functions.put(found.handle(), found);
    return found.handle();
  }

  @Override
  public int mostShared() {
    return attribute(CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
  }

  @Override
  public void reserveShared(long function, int bytes) {
    enter();
    check(
        "cuFuncSetAttribute",
        JCudaDriver.cuFuncSetAttribute(
            functions.get(function),
            CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
            bytes));
  }

  @Override
  public boolean beginRecording() {
    enter();
    int mode = CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_RELAXED;
    int error = JCudaDriver.cuStreamBeginCapture(stream, mode);
    if (error == CUresult.CUDA_ERROR_NOT_SUPPORTED) {
      return false;
    }
    check("cuStreamBeginCapture", error);
    return true;
  }

  @Override
  public long endRecording() {
    enter();
    CUgraph graph = new CUgraph();
    check("cuStreamEndCapture", JCudaDriver.cuStreamEndCapture(stream, graph));
    CUgraphExec executable = new CUgraphExec();
    try {
      check("cuGraphInstantiate", JCudaDriver.cuGraphInstantiate(executable, graph, 0));
    } finally {
      check("cuGraphDestroy", JCudaDriver.cuGraphDestroy(graph));
    }
    long recording = ++recordings;
    executables.put(recording, executable);
    return recording;
  }

  @Override
  public void replay(long recording) {
    enter();
    check("cuGraphLaunch", JCudaDriver.cuGraphLaunch(executables.get(recording), stream));
  }

  @Override
  public void forget(long recording) {
    enter();
    check("cuGraphExecDestroy", JCudaDriver.cuGraphExecDestroy(executables.remove(recording)));
  }

  /** Writes the driver's form of a map to an address that is a multiple of its size. */
  void encode(TileMap map, long matrices, long to) {
    check("cuTensorMapEncodeTiled", driver.encode(map, matrices, to));
  }

  @Override
  public void launch(long function, Grid grid, int[] sizes, long parameters) {
    enter();
    check("cuLaunchKernel", driver.launch(function, grid, stream.handle(), parameters));
  }
}
