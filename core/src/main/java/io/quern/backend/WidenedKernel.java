package io.quern.backend;

import io.quern.DType;
import io.quern.op.Cast;
import io.quern.op.Fill;
import io.quern.op.Iota;
import io.quern.op.Layout;
import io.quern.op.Op;
import io.quern.op.Random;
import io.quern.runtime.Blocks;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Spare;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A kernel of F32 of any device for operands of F16 and BF16: they are widened into scratch memory,
 * and results are rounded once, when they are stored. Immutable and thread-safe.
 */
public final class WidenedKernel implements Kernel {
  private final Kernel kernel;
  private final Blocks memory;
  private final int inputs;

  /** What widens an input or rounds an output; null for operands that stay as they are. */
  private final @Nullable Kernel[] casts;

  /** Where operands lie in the scratch memory. */
  private final long[] places;

  private final long bytes;
  private final Spare<Call> calls = new Spare<>(Call::new);

  private WidenedKernel(KernelKey key, Kernel kernel, @Nullable Kernel[] casts, Blocks memory) {
    this.kernel = kernel;
    this.memory = memory;
    this.inputs = key.inputs();
    this.casts = casts;
    this.places = new long[casts.length];
    long end = 0;
    for (int i = 0; i < casts.length; i++) {
      if (casts[i] != null) {
        places[i] = end;
        long size = 4 * key.shape(i).size() + MemoryPool.ALIGNMENT - 1;
        end += size / MemoryPool.ALIGNMENT * MemoryPool.ALIGNMENT;
      }
    }
    this.bytes = Math.max(1, end);
  }

  /**
   * The kernel, if the table has one for the same op on F32, and the casts.
   *
   * @param memory where scratch memory comes from
   */
  public static Optional<Kernel> find(KernelKey key, KernelTable table, Blocks memory) {
    DType[] dtypes = new DType[key.operands()];
    Layout[] layouts = new Layout[key.operands()];
    boolean narrow = false;
    for (int i = 0; i < dtypes.length; i++) {
      boolean widened = isNarrow(key.dtype(i));
      narrow |= widened;
      dtypes[i] = widened ? DType.F32 : key.dtype(i);
      layouts[i] = widened ? Layout.contiguous(key.shape(i)) : key.layout(i);
    }
    if (!narrow || makesElements(key.op())) {
      return Optional.empty();
    }
    Optional<Kernel> kernel = table.find(new KernelKey(key.op(), dtypes, layouts, key.inputs()));
    return kernel.flatMap(found -> widened(key, found, table, memory));
  }

  private static Optional<Kernel> widened(
      KernelKey key, Kernel kernel, KernelTable table, Blocks memory) {
    @Nullable Kernel[] casts = new Kernel[key.operands()];
    for (int i = 0; i < casts.length; i++) {
      if (isNarrow(key.dtype(i))) {
        Optional<Kernel> cast = cast(key, i, table);
        if (cast.isEmpty()) {
          return Optional.empty();
        }
        casts[i] = cast.get();
      }
    }
    return Optional.of(new WidenedKernel(key, kernel, casts, memory));
  }

  /** Ops with a dtype of their own; going through F32, their results would be rounded twice. */
  private static boolean makesElements(Op op) {
    return op instanceof Cast || op instanceof Fill || op instanceof Iota || op instanceof Random;
  }

  private static boolean isNarrow(DType dtype) {
    return dtype == DType.F16 || dtype == DType.BF16;
  }

  private static Optional<Kernel> cast(KernelKey key, int operand, KernelTable table) {
    Layout wide = Layout.contiguous(key.shape(operand));
    boolean input = operand < key.inputs();
    Layout from = input ? key.layout(operand) : wide;
    DType fromType = input ? key.dtype(operand) : DType.F32;
    DType toType = input ? DType.F32 : key.dtype(operand);
    DType[] dtypes = {fromType, toType};
    return table.find(new KernelKey(new Cast(toType), dtypes, new Layout[] {from, wide}, 1));
  }

  @Override
  public void run(Operands operands) {
    MemoryPool.Block block = memory.allocate(bytes);
    Call call = calls.take();
    try {
      call.bind(operands, block.address());
      call.cast(0, inputs);
      kernel.run(call.widened);
      call.cast(inputs, casts.length);
    } finally {
      call.unbind();
      calls.give(call);
      memory.free(block);
    }
  }

  @Override
  public boolean warmUp() {
    boolean fast = kernel.warmUp();
    for (Kernel cast : casts) {
      fast &= cast == null || cast.warmUp();
    }
    return fast;
  }

  @Override
  public String name() {
    return kernel.name() + "_widened";
  }

  /** The operands of one call. */
  private final class Call {
    private final Scratch scratch = new Scratch();
    private final @Nullable Buffer[] buffers = new Buffer[casts.length];
    private final long[] offsets = new long[casts.length];
    private final @Nullable Buffer[][] castBuffers = new Buffer[casts.length][2];
    private final long[][] castOffsets = new long[casts.length][2];
    private final Operands[] castOperands = new Operands[casts.length];
    private final Operands widened;

    @SuppressWarnings("NullAway") // filled in before a kernel runs
    Call() {
      widened = new Operands(buffers, offsets);
      for (int i = 0; i < casts.length; i++) {
        castOperands[i] = new Operands(castBuffers[i], castOffsets[i]);
      }
    }

    void bind(Operands operands, long address) {
      scratch.address = address;
      for (int i = 0; i < casts.length; i++) {
        boolean cast = casts[i] != null;
        buffers[i] = cast ? scratch : operands.buffer(i);
        offsets[i] = cast ? places[i] : operands.byteOffset(i);
        int narrow = i < inputs ? 0 : 1;
        castBuffers[i][narrow] = operands.buffer(i);
        castOffsets[i][narrow] = operands.byteOffset(i);
        castBuffers[i][1 - narrow] = scratch;
        castOffsets[i][1 - narrow] = places[i];
      }
    }

    void cast(int from, int to) {
      for (int i = from; i < to; i++) {
        Kernel cast = casts[i];
        if (cast != null) {
          cast.run(castOperands[i]);
        }
      }
    }

    void unbind() {
      for (int i = 0; i < casts.length; i++) {
        buffers[i] = null;
        castBuffers[i][0] = null;
        castBuffers[i][1] = null;
      }
    }
  }

  /** Memory that a call has for its time. */
  private static final class Scratch extends Buffer {
    private long address;

    @Override
    public long byteSize() {
      return Long.MAX_VALUE;
    }

    @Override
    public long address() {
      return address;
    }

    @Override
    public void release() {}
  }
}
