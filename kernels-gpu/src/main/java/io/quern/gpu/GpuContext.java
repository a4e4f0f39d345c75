package io.quern.gpu;

import io.quern.backend.Buffer;
import io.quern.backend.DeviceContext;
import io.quern.backend.Kernel;
import io.quern.backend.KernelFactory;
import io.quern.backend.KernelKey;
import io.quern.backend.KernelTable;
import io.quern.backend.Operands;
import io.quern.backend.WidenedKernel;
import io.quern.op.Op;
import io.quern.runtime.Blocks;
import io.quern.runtime.HostMemory;
import io.quern.runtime.Log;
import io.quern.runtime.MemoryPool;
import java.lang.System.Logger.Level;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Cleaner;
import java.lang.ref.Reference;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * One GPU. Kernels are queued and run in the order in which they were; downloads wait for them.
 * Errors of queued work are told by a later call, and then the device is lost to the process.
 */
public final class GpuContext implements DeviceContext {
  /** The mark of copies between devices. */
  private static final int PEER_MARK = Staging.BUFFERS;

  private static final Cleaner CLEANER = Cleaner.create();

  private final Gpu gpu;
  private final DeviceMemory memory;
  private final Staging staging;
  private final Modules modules;
  private final Fault fault;
  private final KernelTable table;
  private final Blocks scratch = new Scratch();

  /** Guards the frame of launches, copies and the fault. */
  private final ReentrantLock turn = new ReentrantLock();

  private final long frame =
      (HostMemory.shared().allocate(2 * Launch.FRAME + 128).address() + 127) & -128;

  /** Scratch memory of what is being recorded; null when nothing is. */
  private @Nullable RecordedScratch recorded;

  private boolean recordsChecks;
  private volatile @Nullable GpuException lost;

  /** Algorithms whose functions the driver does not take. */
  private final Set<String> refused = ConcurrentHashMap.newKeySet();

  /** The context of a device. */
  public GpuContext(Gpu gpu) {
    this.gpu = gpu;
    this.memory = new DeviceMemory(gpu);
    this.staging = new Staging(gpu);
    this.modules = new Modules(gpu);
    this.fault = new Fault(gpu);
    this.table = new KernelTable();
    gpu.addKernels(this, table);
    GpuKernels.addTo(table, this);
  }

  @Override
  public String describe() {
    return gpu.describe();
  }

  @Override
  public List<String> advice() {
    return gpu.advice();
  }

  @Override
  public List<String> tune() {
    return gpu.tune(this);
  }

  Modules modules() {
    return modules;
  }

  /** A function of one of the project's sources; 0 when it has none of that name. */
  public long function(String file, String name) {
    return modules.function(file, name);
  }

  Gpu gpu() {
    return gpu;
  }

  /**
   * Registers an algorithm. Where the driver refuses its functions it has no kernel, which is told
   * once, and the op is computed by others.
   */
  public void add(KernelTable to, Class<? extends Op> op, String name, KernelFactory factory) {
    to.add(op, name, key -> kernelOrNull(name, factory, key));
  }

  private @Nullable Kernel kernelOrNull(String name, KernelFactory factory, KernelKey key) {
    try {
      return factory.create(key);
    } catch (GpuException e) {
      if (failed(e).isSticky()) {
        throw e;
      }
      if (refused.add(name)) {
        Log.get().log(Level.WARNING, gpu.backend() + ": " + name + " is not used", e);
      }
      return null;
    }
  }

  @Override
  public Buffer allocate(long bytes) {
    return new DeviceBuffer(memory, memory.allocate(bytes));
  }

  private static final class DeviceBuffer extends Buffer {
    private final DeviceMemory memory;
    private final MemoryPool.Block block;

    DeviceBuffer(DeviceMemory memory, MemoryPool.Block block) {
      this.memory = memory;
      this.block = block;
    }

    @Override
    public long byteSize() {
      return block.bytes();
    }

    @Override
    public long address() {
      return block.address();
    }

    @Override
    public void release() {
      memory.free(block);
    }
  }

  @Override
  public Optional<Kernel> kernel(KernelKey key) {
    return table.find(key).or(() -> widened(key));
  }

  /** The kernel of F32 for operands of 16-bit floats, if there is one. */
  public Optional<Kernel> widened(KernelKey key) {
    return WidenedKernel.find(key, table, scratch);
  }

  /** Memory for the time of a call, which recorded work keeps. */
  private final class Scratch implements Blocks {
    @Override
    public MemoryPool.Block allocate(long bytes) {
      return blocks().allocate(bytes);
    }

    @Override
    public void free(MemoryPool.Block block) {
      blocks().free(block);
    }

    private Blocks blocks() {
      RecordedScratch recording = turn.isHeldByCurrentThread() ? recorded : null;
      return recording == null ? memory : recording;
    }
  }

  /** Queues launches, which see {@code scratchBytes} of memory as one operand more. */
  void queue(List<Launch> launches, Operands operands, long scratchBytes) {
    MemoryPool.Block block = scratchBytes == 0 ? null : scratch.allocate(scratchBytes);
    turn.lock();
    try {
      requireAlive();
      for (int i = 0; i < launches.size(); i++) {
        launches.get(i).queue(gpu, operands, block == null ? 0 : block.address(), frame);
      }
    } catch (GpuException e) {
      throw failed(e);
    } finally {
      turn.unlock();
      if (block != null) {
        scratch.free(block);
      }
    }
  }

  Fault fault() {
    return fault;
  }

  /**
   * Queues launches that tell of a {@link Fault}, and waits for them unless they are recorded.
   *
   * @throws IndexOutOfBoundsException if an index is out of range
   */
  void queueChecked(List<Launch> launches, Operands operands, long scratchBytes) {
    turn.lock();
    try {
      queue(launches, operands, scratchBytes);
      if (recorded != null) {
        recordsChecks = true;
      } else {
        finish();
        fault.check();
      }
    } finally {
      turn.unlock();
    }
  }

  @Override
  public void upload(MemorySegment from, Buffer to, long byteOffset) {
    transfer(from, to.address() + byteOffset, true);
  }

  @Override
  public void download(Buffer from, long byteOffset, MemorySegment to) {
    transfer(to, from.address() + byteOffset, false);
  }

  private void transfer(MemorySegment host, long device, boolean up) {
    try {
      inTurn(
          () -> {
            if (up) {
              staging.toDevice(host, device);
            } else {
              staging.toHost(device, host);
            }
          });
    } finally {
      Reference.reachabilityFence(host);
    }
  }

  @Override
  public boolean copyFrom(
      DeviceContext other, Buffer from, long byteOffset, Buffer to, long bytes) {
    if (!(other instanceof GpuContext source && gpu.reaches(source.gpu))) {
      return false;
    }
    // Each in its turn: who waited for the other's turn in the own one could wait forever.
    source.inTurn(() -> source.gpu.mark(PEER_MARK));
    inTurn(
        () -> {
          gpu.follow(source.gpu, PEER_MARK);
          gpu.copyFromPeer(source.gpu, from.address() + byteOffset, to.address(), bytes);
          gpu.mark(PEER_MARK);
        });
    source.inTurn(() -> source.gpu.follow(gpu, PEER_MARK));
    return true;
  }

  /** Does what cannot be recorded, when no other thread hands work to the device. */
  private void inTurn(Runnable work) {
    turn.lock();
    try {
      requireWaiting();
      work.run();
    } catch (GpuException e) {
      throw failed(e);
    } finally {
      turn.unlock();
    }
  }

  @Override
  public void finish() {
    try {
      requireAlive();
      gpu.finish();
    } catch (GpuException e) {
      throw failed(e);
    }
  }

  // ---- recording ----------------------------------------------------------------------------

  /** Says that work waits for its results, which recorded work cannot. */
  private static final class Waits extends RuntimeException {
    private static final long serialVersionUID = 1;

    Waits() {
      super("waits for its results", null, false, false);
    }
  }

  @Override
  public @Nullable Recording record(Runnable work) {
    turn.lock();
    try {
      requireAlive();
      return gpu.beginRecording() ? recordBegun(work) : null;
    } catch (GpuException e) {
      throw failed(e);
    } finally {
      turn.unlock();
    }
  }

  private @Nullable Recording recordBegun(Runnable work) {
    RecordedScratch kept = new RecordedScratch(memory);
    recorded = kept;
    recordsChecks = false;
    boolean whole = false;
    Graph graph;
    try {
      work.run();
      whole = true;
    } catch (Waits e) {
      // What was queued so far is of no use.
    } finally {
      recorded = null;
      graph = new Graph(gpu.endRecording(), kept, recordsChecks);
    }
    return whole ? graph : null;
  }

  /** Recorded work, with its scratch memory. */
  private final class Graph implements Recording {
    private final long handle;
    private final boolean checked;

    Graph(long handle, RecordedScratch kept, boolean checked) {
      this.handle = handle;
      this.checked = checked;
      Gpu owner = gpu;
      CLEANER.register(
          this,
          () -> {
            owner.forget(handle);
            kept.release();
          });
    }

    @Override
    public void run() {
      turn.lock();
      try {
        requireAlive();
        gpu.replay(handle);
        if (checked) {
          gpu.finish();
          fault.check();
        }
      } catch (GpuException e) {
        throw failed(e);
      } finally {
        turn.unlock();
      }
    }
  }

  private void requireWaiting() {
    requireAlive();
    if (recorded != null) {
      throw new Waits();
    }
  }

  private GpuException failed(GpuException e) {
    if (e.isSticky()) {
      lost = e;
    }
    return e;
  }

  private void requireAlive() {
    GpuException cause = lost;
    if (cause != null) {
      throw new IllegalStateException(
          gpu.backend()
              + ": the device is lost to this process since an earlier failure; use another device"
              + " or start anew",
          cause);
    }
  }

  @Override
  public boolean isHostMemory() {
    return false;
  }

  @Override
  public Map<String, List<String>> kernels() {
    return table.listing();
  }
}
