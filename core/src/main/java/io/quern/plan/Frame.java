package io.quern.plan;

import io.quern.DType;
import io.quern.Device;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.TensorAccess;
import io.quern.backend.Buffer;
import io.quern.backend.Kernel;
import io.quern.backend.Operands;
import io.quern.op.TensorSpec;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The memory of one run of a plan, with the operands of all steps. For one thread at a time. */
final class Frame {
  private final Device device;
  private final Tensor arena;
  private final Kernel[] kernels;
  private final Operands[] operands;
  private final Slot[] argumentSlots;
  private final Slot[] outputSlots;
  private final HostSlot[] hosts;
  private final Replay replay;
  private final Runnable steps = this::runSteps;

  /** A place in the operands of a step that is filled in for each run. */
  private static final class Slot {
    private final int index;
    private final @Nullable Buffer[] buffers;
    private final long[] offsets;
    private final int at;
    private final long offset;

    Slot(int index, @Nullable Buffer[] buffers, long[] offsets, int at, long offset) {
      this.index = index;
      this.buffers = buffers;
      this.offsets = offsets;
      this.at = at;
      this.offset = offset;
    }

    void bind(Tensor tensor) {
      buffers[at] = TensorAccess.buffer(tensor);
      offsets[at] = offset + tensor.dtype().byteSize(tensor.layout().offset());
    }
  }

  private record HostSlot(Memory.Host memory, MemorySegment elements) {}

  Frame(Device device, Step[] steps, List<Memory.Host> hosts, long arenaBytes) {
    this.device = device;
    this.arena =
        TensorAccess.detached(device, new TensorSpec(DType.U8, Shape.of(Math.max(1, arenaBytes))));
    this.kernels = new Kernel[steps.length];
    this.operands = new Operands[steps.length];
    List<Slot> arguments = new ArrayList<>();
    List<Slot> outputs = new ArrayList<>();
    for (int i = 0; i < steps.length; i++) {
      kernels[i] = steps[i].kernel();
      operands[i] = operands(steps[i].operands(), arguments, outputs);
    }
    this.argumentSlots = arguments.toArray(Slot[]::new);
    this.outputSlots = outputs.toArray(Slot[]::new);
    this.hosts = hosts.stream().map(this::host).toArray(HostSlot[]::new);
    this.replay = new Replay(device.context(), operands);
  }

  @SuppressWarnings("NullAway") // slots are filled in before a step runs
  private Operands operands(List<Place> places, List<Slot> arguments, List<Slot> outputs) {
    Buffer[] buffers = new Buffer[places.size()];
    long[] offsets = new long[places.size()];
    for (int i = 0; i < buffers.length; i++) {
      Place place = places.get(i);
      switch (place.memory()) {
        case Memory.Temporary temporary -> {
          buffers[i] = TensorAccess.buffer(arena);
          offsets[i] = temporary.offset() + place.byteOffset();
        }
        case Memory.Host host -> {
          buffers[i] = TensorAccess.buffer(arena);
          offsets[i] = host.place().offset() + place.byteOffset();
        }
        case Memory.Captured captured -> {
          buffers[i] = TensorAccess.buffer(captured.tensor());
          offsets[i] = place.byteOffset();
        }
        case Memory.Prepared prepared -> buffers[i] = prepared.buffer();
        case Memory.Argument argument ->
            arguments.add(new Slot(argument.index(), buffers, offsets, i, place.byteOffset()));
        case Memory.Output output ->
            outputs.add(new Slot(output.index(), buffers, offsets, i, place.byteOffset()));
      }
    }
    return new Operands(buffers, offsets);
  }

  private HostSlot host(Memory.Host memory) {
    Buffer buffer = TensorAccess.buffer(arena);
    MemorySegment elements =
        device.context().isHostMemory()
            ? Raw.ALL.asSlice(buffer.address() + memory.place().offset(), memory.bytes())
            : MemorySegment.ofArray(new byte[Math.toIntExact(memory.bytes())]);
    return new HostSlot(memory, elements);
  }

  void bind(Tensor[] arguments, Tensor[] results) {
    for (Slot slot : argumentSlots) {
      slot.bind(arguments[slot.index]);
    }
    for (Slot slot : outputSlots) {
      slot.bind(results[slot.index]);
    }
    for (HostSlot host : hosts) {
      host.memory.source().write(host.elements);
      if (!device.context().isHostMemory()) {
        device
            .context()
            .upload(host.elements, TensorAccess.buffer(arena), host.memory.place().offset());
      }
    }
  }

  void run(Plan plan) {
    if (Debug.watchesRuns()) {
      new WatchedRun(plan).run(kernels, operands);
      return;
    }
    if (device.context().isHostMemory()) {
      Workers.shared().runAll(steps);
    } else {
      replay.run(steps);
    }
  }

  private void runSteps() {
    for (int i = 0; i < kernels.length; i++) {
      kernels[i].run(operands[i]);
    }
  }

  /** Runs and tells the time of each step; helpers stay awake in between as in other runs. */
  void run(long[] nanos) {
    Workers.shared().runAll(() -> timeSteps(nanos));
  }

  private void timeSteps(long[] nanos) {
    for (int i = 0; i < kernels.length; i++) {
      long start = System.nanoTime();
      kernels[i].run(operands[i]);
      device.context().finish();
      nanos[i] = System.nanoTime() - start;
    }
  }

  /** Lets go of the tensors of the last run. */
  void unbind() {
    for (Slot slot : argumentSlots) {
      slot.buffers[slot.at] = null;
    }
    for (Slot slot : outputSlots) {
      slot.buffers[slot.at] = null;
    }
  }

  void close() {
    arena.close();
  }
}
