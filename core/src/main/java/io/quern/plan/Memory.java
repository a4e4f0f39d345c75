package io.quern.plan;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.TensorAccess;
import io.quern.backend.Buffer;
import io.quern.backend.Kernel;
import io.quern.backend.Operands;
import io.quern.graph.HostValue;
import io.quern.op.TensorSpec;

/** A range of memory that steps of a plan read and write. */
abstract sealed class Memory {
  private final long bytes;

  private Memory(long bytes) {
    this.bytes = bytes;
  }

  long bytes() {
    return bytes;
  }

  /** Part of the arena, for results that are used up within a run. */
  static final class Temporary extends Memory {
    private long offset = -1;

    Temporary(long bytes) {
      super(bytes);
    }

    /** Bytes from the start of the arena, once it is laid out. */
    long offset() {
      return offset;
    }

    void place(long at) {
      offset = at;
    }
  }

  /** Part of the arena that the application writes at the start of each run. */
  static final class Host extends Memory {
    private final HostValue source;
    private final Temporary place;

    Host(TensorSpec spec, HostValue source) {
      super(spec.byteSize());
      this.source = source;
      this.place = new Temporary(spec.byteSize());
    }

    HostValue source() {
      return source;
    }

    Temporary place() {
      return place;
    }
  }

  /** An argument of a run. */
  static final class Argument extends Memory {
    private final int index;

    Argument(int index, long bytes) {
      super(bytes);
      this.index = index;
    }

    int index() {
      return index;
    }
  }

  /** A result of a run. */
  static final class Output extends Memory {
    private final int index;

    Output(int index, long bytes) {
      super(bytes);
      this.index = index;
    }

    int index() {
      return index;
    }
  }

  /** A tensor of the application. */
  static final class Captured extends Memory {
    private final Tensor tensor;

    Captured(Tensor tensor) {
      super(tensor.spec().byteSize());
      this.tensor = tensor;
    }

    Tensor tensor() {
      return tensor;
    }
  }

  /**
   * A tensor of the application in the form in which a kernel reads it, made anew when it changes.
   */
  static final class Prepared extends Memory {
    private final Place source;
    private final Kernel packer;
    private final Tensor tensor;
    private final Operands operands;
    private volatile long version = -1;
    private int plans;

    /**
     * The form that {@code packer} makes.
     *
     * @param source in captured memory
     */
    Prepared(Place source, long bytes, Kernel packer) {
      super(bytes);
      this.source = source;
      this.packer = packer;
      this.tensor =
          TensorAccess.detached(captured().device(), new TensorSpec(DType.U8, Shape.of(bytes)));
      Buffer[] buffers = {TensorAccess.buffer(captured()), TensorAccess.buffer(tensor)};
      this.operands = new Operands(buffers, new long[] {source.byteOffset(), 0});
    }

    private Tensor captured() {
      return ((Captured) source.memory()).tensor();
    }

    /** Where the tensor itself lies. */
    Place source() {
      return source;
    }

    Buffer sourceBuffer() {
      return TensorAccess.buffer(captured());
    }

    /** Where the prepared form lies. */
    Buffer buffer() {
      return TensorAccess.buffer(tensor);
    }

    /** Lets a plan use it; false once the last one has let go of it. */
    synchronized boolean hold() {
      if (plans < 0) {
        return false;
      }
      plans++;
      return true;
    }

    /** Undoes {@link #hold}; the last plan gives the memory back. */
    synchronized void release() {
      if (--plans == 0) {
        plans = -1;
        tensor.close();
      }
    }

    /** Brings it up to date. */
    void refresh() {
      if (version != TensorAccess.version(captured())) {
        pack();
      }
    }

    private synchronized void pack() {
      long now = TensorAccess.version(captured());
      if (version != now) {
        packer.run(operands);
        version = now;
      }
    }
  }
}
