package io.quern.cpu.elementwise;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.cpu.Twins;
import io.quern.cpu.VectorTier;
import io.quern.op.Binary;
import io.quern.op.Cast;
import io.quern.op.Compare;
import io.quern.op.Unary;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Workers;
import org.jspecify.annotations.Nullable;

/**
 * Elementwise ops over operands of any layout. Loops see only memory without gaps: an operand that
 * is strided or broadcast is gathered tile by tile to a buffer in the first-level cache.
 */
public final class ElementwiseKernel implements Kernel {
  private static final boolean VECTOR = VectorTier.chosen().usesApi();
  private static final int CHUNK = 16384;
  private static final int TILE = 1024;

  private final Twins<Loop> loop;
  private final String name;
  private final long count;
  private final int inputs;
  private final int[] bytes;
  private final @Nullable Gatherer[] gatherers;
  private final boolean direct;
  private final Workers.Task<Operands> task = this::compute;

  private ElementwiseKernel(KernelKey key, Twins<Loop> loop, String name) {
    this.loop = loop;
    this.name = name;
    this.count = key.output().shape().size();
    this.inputs = key.inputs();
    this.bytes = new int[inputs + 1];
    this.gatherers = new Gatherer[inputs];
    boolean all = true;
    for (int i = 0; i <= inputs; i++) {
      bytes[i] = key.dtype(i).bytes();
    }
    for (int i = 0; i < inputs; i++) {
      boolean plain = key.layout(i).isContiguous() && key.shape(i).equals(key.output().shape());
      gatherers[i] = plain ? null : new Gatherer(key.layout(i), key.output().shape(), bytes[i]);
      all &= plain;
    }
    this.direct = all;
  }

  private static String name(String function) {
    return function + (VECTOR ? "_f32" : "_f32_scalar");
  }

  /** A kernel for a Unary of F32, or null. */
  public static @Nullable Kernel unary(KernelKey key) {
    if (!key.all(DType.F32) || !(key.op() instanceof Unary(Unary.Fn fn))) {
      return null;
    }
    return new ElementwiseKernel(key, Loops.unary(fn), name(key.op().name()));
  }

  /** A kernel for a Binary of F32 or I64, or null. */
  public static @Nullable Kernel binary(KernelKey key) {
    if (!(key.op() instanceof Binary(Binary.Fn fn))) {
      return null;
    }
    if (key.all(DType.I64)) {
      Loop loop = IntegerLoops.binary(fn);
      return loop == null
          ? null
          : new ElementwiseKernel(key, Twins.only(loop), key.op().name() + "_i64");
    }
    return key.all(DType.F32)
        ? new ElementwiseKernel(key, Loops.binary(fn), name(key.op().name()))
        : null;
  }

  /** A kernel for a Compare of F32 or I64, or null. */
  public static @Nullable Kernel compare(KernelKey key) {
    if (!(key.op() instanceof Compare(Compare.Fn fn))) {
      return null;
    }
    if (key.dtype(0) == DType.I64) {
      return new ElementwiseKernel(key, Twins.only(IntegerLoops.compare(fn)), "compare_i64");
    }
    return key.dtype(0) == DType.F32
        ? new ElementwiseKernel(key, Loops.compare(fn), "compare_f32")
        : null;
  }

  /** A kernel for a Where of F32 or I64, or null. */
  public static @Nullable Kernel where(KernelKey key) {
    if (key.dtype(1) == DType.I64) {
      return new ElementwiseKernel(key, Twins.only(IntegerLoops::where), "where_i64");
    }
    return key.dtype(1) == DType.F32
        ? new ElementwiseKernel(key, Twins.only(SimpleLoops::where), "where_f32")
        : null;
  }

  /** A kernel for a Cast from or to F32, or a copy of any dtype, or null. */
  public static @Nullable Kernel cast(KernelKey key) {
    if (!(key.op() instanceof Cast)) {
      return null;
    }
    if (key.dtype(0) == key.dtype(1)) {
      return new CopyKernel(key);
    }
    Loop loop = SimpleLoops.cast(key.dtype(0), key.dtype(1));
    return loop == null ? null : new ElementwiseKernel(key, Twins.only(loop), "cast");
  }

  @Override
  public void run(Operands operands) {
    int chunks = Math.toIntExact((count + CHUNK - 1) / CHUNK);
    Workers.shared().run(task, operands, chunks);
  }

  private void compute(Operands operands, int chunk) {
    Loop now = loop.get();
    long first = (long) chunk * CHUNK;
    long end = Math.min(count, first + CHUNK);
    if (direct) {
      now.run(
          address(operands, 0, first),
          inputs > 1 ? address(operands, 1, first) : 0,
          inputs > 2 ? address(operands, 2, first) : 0,
          address(operands, inputs, first),
          end - first);
      return;
    }
    try (MemoryPool.Block scratch = HostMemory.shared().allocate(8L * TILE * inputs)) {
      for (long at = first; at < end; at += TILE) {
        long n = Math.min(TILE, end - at);
        boolean fresh = at == first;
        now.run(
            staged(operands, 0, at, n, scratch.address(), fresh),
            inputs > 1 ? staged(operands, 1, at, n, scratch.address(), fresh) : 0,
            inputs > 2 ? staged(operands, 2, at, n, scratch.address(), fresh) : 0,
            address(operands, inputs, at),
            n);
      }
    }
  }

  private long address(Operands operands, int index, long at) {
    return operands.address(index) + bytes[index] * at;
  }

  private long staged(Operands operands, int index, long at, long n, long scratch, boolean fresh) {
    Gatherer gatherer = gatherers[index];
    if (gatherer == null) {
      return address(operands, index, at);
    }
    long to = scratch + 8L * TILE * index;
    if (!gatherer.isUniform()) {
      gatherer.copy(operands.address(index), at, n, to);
    } else if (fresh) {
      gatherer.copy(operands.address(index), 0, Math.min(TILE, count), to);
    }
    return to;
  }

  @Override
  public boolean warmUp() {
    return loop.await();
  }

  @Override
  public String name() {
    return name;
  }
}
