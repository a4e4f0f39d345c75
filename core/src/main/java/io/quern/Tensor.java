package io.quern;

import io.quern.backend.Buffer;
import io.quern.grad.GradNode;
import io.quern.grad.Gradients;
import io.quern.grad.Tape;
import io.quern.graph.HostValue;
import io.quern.graph.Symbol;
import io.quern.graph.Trace;
import io.quern.op.ArgReduce;
import io.quern.op.Attention;
import io.quern.op.Binary;
import io.quern.op.Cast;
import io.quern.op.Compare;
import io.quern.op.Composite;
import io.quern.op.Concat;
import io.quern.op.CumSum;
import io.quern.op.Fill;
import io.quern.op.Gather;
import io.quern.op.Iota;
import io.quern.op.Layout;
import io.quern.op.LogSoftmax;
import io.quern.op.MatMul;
import io.quern.op.Op;
import io.quern.op.OpCheck;
import io.quern.op.Pad;
import io.quern.op.Reduce;
import io.quern.op.Softmax;
import io.quern.op.Sort;
import io.quern.op.TakeAlong;
import io.quern.op.TensorSpec;
import io.quern.op.TopK;
import io.quern.op.Unary;
import io.quern.op.View;
import io.quern.op.Where;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * An n-dimensional array of one element type on one device.
 *
 * <p>Ops give new tensors; {@link #reshape}, {@link #permute}, {@link #expand}, {@link #slice} and
 * {@link #flip} give views that share memory. Binary ops broadcast as in NumPy and take sides of
 * the same dtype. Axes may be negative, counted from the end. Bad arguments throw {@link
 * IllegalArgumentException}, indices in tensors that are out of range {@link
 * IndexOutOfBoundsException} and integer divisions by zero {@link ArithmeticException}, with a
 * message that starts with the op. A number beside a tensor of an integer dtype must be one of that
 * dtype.
 *
 * <p>Closing is for promptness: a tensor that is forgotten gives its memory back after garbage
 * collection. Ops may run from any thread; as long as nobody writes in place, tensors are safe to
 * share.
 */
public final class Tensor implements AutoCloseable {
  private final Storage storage;
  private final DType dtype;
  private final Layout layout;
  private @Nullable GradNode gradNode;
  private boolean requiresGrad;
  private volatile @Nullable String closedBy;

  private Tensor(Storage storage, DType dtype, Layout layout) {
    this(storage, dtype, layout, true);
  }

  private Tensor(Storage storage, DType dtype, Layout layout, boolean inScope) {
    if (layout.shape().size() > 0
        && (layout.lowest() < 0
            || dtype.byteSize(layout.highest() + 1) > storage.buffer().byteSize())) {
      throw new IllegalStateException(
          "tensor: layout "
              + layout
              + " of "
              + dtype
              + " leaves its buffer of "
              + storage.buffer().byteSize()
              + " bytes");
    }
    this.storage = storage;
    this.dtype = dtype;
    this.layout = layout;
    if (inScope) {
      TensorScope.register(this);
    }
  }

  // ---- memory -----------------------------------------------------------------------------

  static Tensor allocate(Device device, TensorSpec spec) {
    return on(device, spec, device.context().allocate(spec.byteSize()));
  }

  /** A contiguous tensor on a buffer, which it owns. */
  static Tensor on(Device device, TensorSpec spec, Buffer buffer) {
    Storage storage = new Storage(device, buffer);
    storage.acquire();
    return new Tensor(storage, spec.dtype(), Layout.contiguous(spec.shape()));
  }

  /** A tensor with this layout on the same memory. */
  Tensor alias(String op, Layout view) {
    hold(op);
    return new Tensor(storage, dtype, view);
  }

  /** A tensor like this one on the same memory, which is closed by its owner only. */
  Tensor aliasOutsideScopes(String op) {
    hold(op);
    return new Tensor(storage, dtype, layout, false);
  }

  /** Keeps the memory in place while it is used; throws when the tensor was closed. */
  void hold(String op) {
    // The cause is read last: another thread may close this tensor meanwhile.
    if (closedBy != null || !storage.acquire()) {
      throw new IllegalStateException(op + ": tensor " + spec() + " was used after " + closedBy);
    }
  }

  boolean isTraced() {
    return storage.buffer() instanceof Symbol;
  }

  private void requireOpen(String op) {
    hold(op);
    unhold();
  }

  void unhold() {
    storage.release();
  }

  Storage storage() {
    return storage;
  }

  /**
   * Releases this tensor's hold on its memory, which is used again once no other view and no
   * running op needs it. Any later use throws and names the caller of this method. A second call
   * does nothing.
   */
  @Override
  public void close() {
    close(callSite("close()"));
  }

  synchronized void close(String where) {
    if (closedBy == null) {
      closedBy = where;
      gradNode = null;
      storage.release();
    }
  }

  /** Whether {@link #close} was called, or a scope has closed this tensor. */
  public boolean isClosed() {
    return closedBy != null;
  }

  static String callSite(String what) {
    return StackWalker.getInstance()
        .walk(
            frames ->
                frames
                    .filter(frame -> !isCloser(frame.getClassName()))
                    .findFirst()
                    .map(frame -> what + " at " + frame.toStackTraceElement())
                    .orElseGet(() -> what + " on thread " + Thread.currentThread().getName()));
  }

  /** Whether a class closes tensors on behalf of its callers. */
  private static boolean isCloser(String name) {
    return name.equals(Tensor.class.getName())
        || name.equals(TensorScope.class.getName())
        || name.equals(Batch.class.getName())
        || name.equals(Gradients.class.getName())
        || name.startsWith("java.");
  }

  /** Closes what a method has made on the way to its result, unless a gradient needs it. */
  private static Tensor without(Tensor temporary, Tensor result) {
    if (result.gradNode == null) {
      temporary.close("the method that made it");
    }
    return result;
  }

  // ---- making tensors ---------------------------------------------------------------------

  /** A tensor of {@code shape} with the elements of {@code data} in row-major order, on the CPU. */
  public static Tensor of(float[] data, long... shape) {
    return fromSegment(MemorySegment.ofArray(data), DType.F32, shapeFor(data.length, shape));
  }

  /** A tensor of {@code shape} with the elements of {@code data} in row-major order, on the CPU. */
  public static Tensor of(double[] data, long... shape) {
    return fromSegment(MemorySegment.ofArray(data), DType.F64, shapeFor(data.length, shape));
  }

  /** A tensor of {@code shape} with the elements of {@code data} in row-major order, on the CPU. */
  public static Tensor of(long[] data, long... shape) {
    return fromSegment(MemorySegment.ofArray(data), DType.I64, shapeFor(data.length, shape));
  }

  /** A tensor of {@code shape} with the elements of {@code data} in row-major order, on the CPU. */
  public static Tensor of(int[] data, long... shape) {
    return fromSegment(MemorySegment.ofArray(data), DType.I32, shapeFor(data.length, shape));
  }

  /** A tensor of dtype U8 with the bytes of {@code data} in row-major order, on the CPU. */
  public static Tensor ofBytes(byte[] data, long... shape) {
    return fromSegment(MemorySegment.ofArray(data), DType.U8, shapeFor(data.length, shape));
  }

  /** A scalar of dtype F32 on the CPU. */
  public static Tensor scalar(float value) {
    return full(value, DType.F32, Device.cpu());
  }

  private static Shape shapeFor(int length, long[] dims) {
    Shape shape = dims.length == 0 ? Shape.of(length) : Shape.of(dims);
    if (shape.size() != length) {
      throw new IllegalArgumentException(
          "tensor: shape " + shape + " needs " + shape.size() + " elements, found " + length);
    }
    return shape;
  }

  /**
   * Copies little-endian (native order) elements from {@code data} to a new tensor on the CPU.
   *
   * @throws IllegalArgumentException if the segment does not have exactly the shape's bytes
   */
  public static Tensor fromSegment(MemorySegment data, DType dtype, Shape shape) {
    TensorSpec spec = new TensorSpec(dtype, shape);
    if (data.byteSize() != spec.byteSize()) {
      throw new IllegalArgumentException(
          "tensor: " + spec + " needs " + spec.byteSize() + " bytes, found " + data.byteSize());
    }
    Device device = Device.cpu();
    Tensor tensor = allocate(device, spec);
    device.context().upload(data, tensor.storage.buffer(), 0);
    return tensor;
  }

  /**
   * A small tensor that the application computes: now, or, in a compiled function, anew in each of
   * its runs.
   *
   * @param source writes the elements; called from the thread that runs the function
   */
  public static Tensor ofHost(TensorSpec spec, Device device, HostValue source) {
    Trace trace = Trace.current();
    if (trace != null) {
      return trace.host(spec, source);
    }
    MemorySegment elements = MemorySegment.ofArray(new byte[Math.toIntExact(spec.byteSize())]);
    source.write(elements);
    Tensor tensor = allocate(device, spec);
    device.context().upload(elements, tensor.storage.buffer(), 0);
    return tensor;
  }

  /** Zeros of dtype F32 on the CPU. */
  public static Tensor zeros(long... shape) {
    return full(0, DType.F32, Device.cpu(), shape);
  }

  /** Ones of dtype F32 on the CPU. */
  public static Tensor ones(long... shape) {
    return full(1, DType.F32, Device.cpu(), shape);
  }

  /**
   * A tensor whose elements all are {@code value}.
   *
   * @throws IllegalArgumentException if that is no number of an integer dtype
   */
  public static Tensor full(double value, DType dtype, Device device, long... shape) {
    return full(new TensorSpec(dtype, Shape.of(shape)), device, value);
  }

  private static Tensor full(TensorSpec spec, Device device, double value) {
    OpCheck.number("full", value, spec);
    return Dispatch.run(new Fill(spec, value), device)[0];
  }

  /** A tensor like this one in dtype, shape and device, filled with {@code value}. */
  public Tensor fullLike(double value) {
    return full(spec(), device(), value);
  }

  /** The vector 0, 1, ..., count - 1 on the CPU. */
  public static Tensor arange(long count, DType dtype) {
    return Dispatch.run(new Iota(dtype, count), Device.cpu())[0];
  }

  // ---- what it is -------------------------------------------------------------------------

  public DType dtype() {
    return dtype;
  }

  public Shape shape() {
    return layout.shape();
  }

  /** Where the elements lie in the buffer that this tensor and its views share. */
  public Layout layout() {
    return layout;
  }

  public Device device() {
    return storage.device();
  }

  /** Dtype and shape. */
  public TensorSpec spec() {
    return new TensorSpec(dtype, layout.shape());
  }

  /** Number of dimensions. */
  public int rank() {
    return layout.rank();
  }

  /** Size of one dimension. */
  public long dim(int axis) {
    return layout.shape().dim(axis);
  }

  /** Number of elements. */
  public long size() {
    return layout.shape().size();
  }

  // ---- reading ----------------------------------------------------------------------------

  /** The elements in row-major order, converted to float. */
  public float[] toFloatArray() {
    float[] array = new float[arrayLength()];
    download(DType.F32, MemorySegment.ofArray(array));
    return array;
  }

  /** The elements in row-major order, converted to double. */
  public double[] toDoubleArray() {
    double[] array = new double[arrayLength()];
    download(DType.F64, MemorySegment.ofArray(array));
    return array;
  }

  /** The elements in row-major order, converted to long. */
  public long[] toLongArray() {
    long[] array = new long[arrayLength()];
    download(DType.I64, MemorySegment.ofArray(array));
    return array;
  }

  /** The elements' bytes in row-major order and native byte order, without conversion. */
  public byte[] toByteArray() {
    long bytes = spec().byteSize();
    if (bytes > Integer.MAX_VALUE) {
      throw new IllegalArgumentException(
          "toByteArray: " + spec() + " has " + bytes + " bytes, too many for an array");
    }
    byte[] array = new byte[(int) bytes];
    download(dtype, MemorySegment.ofArray(array));
    return array;
  }

  /** Copies the elements, in row-major order and native byte order, to {@code target}. */
  public void copyTo(MemorySegment target) {
    if (target.byteSize() != spec().byteSize()) {
      throw new IllegalArgumentException(
          "copyTo: "
              + spec()
              + " has "
              + spec().byteSize()
              + " bytes, the target "
              + target.byteSize());
    }
    download(dtype, target);
  }

  /** The only element, converted to double. */
  public double item() {
    if (size() != 1) {
      throw new IllegalArgumentException(
          "item: needs a tensor with one element, found shape " + shape());
    }
    return toDoubleArray()[0];
  }

  /** One element, converted to double. */
  public double get(long... index) {
    if (index.length != rank()) {
      throw new IllegalArgumentException("get: " + index.length + " indices for shape " + shape());
    }
    Layout at = layout;
    for (int d = 0; d < index.length; d++) {
      if (index[d] < 0 || index[d] >= dim(d)) {
        throw new IllegalArgumentException(
            "get: index " + Arrays.toString(index) + " is out of range for shape " + shape());
      }
      at = at.slice(d, index[d], 1, 1);
    }
    Tensor element = alias("get", at.reshape(Shape.scalar()).orElseThrow());
    try {
      return element.item();
    } finally {
      element.close("get");
    }
  }

  private int arrayLength() {
    if (size() > Integer.MAX_VALUE - 8) {
      throw new IllegalArgumentException(
          "tensor: " + size() + " elements do not fit a Java array; use copyTo(MemorySegment)");
    }
    return (int) size();
  }

  private void download(DType as, MemorySegment target) {
    if (isTraced()) {
      throw Trace.needsValue(callSite("code"), spec());
    }
    Tensor source = Tape.withoutRecording(() -> to(as).contiguous());
    source.hold("read");
    try {
      source
          .device()
          .context()
          .download(source.storage.buffer(), as.byteSize(source.layout.offset()), target);
    } finally {
      source.unhold();
      if (source != this) {
        source.close("reading");
      }
    }
  }

  /**
   * Replaces the elements by those of {@code source}, which may be on another device and may share
   * memory with this tensor. Nothing is recorded for gradients.
   *
   * @throws IllegalArgumentException if the specs differ, or this tensor is not contiguous
   */
  public void copyFrom(Tensor source) {
    if (!source.spec().equals(spec())) {
      throw new IllegalArgumentException(
          "copyFrom: the source must be " + spec() + ", found " + source.spec());
    }
    if (!layout.isContiguous()) {
      throw new IllegalArgumentException(
          "copyFrom: the target must be contiguous, found layout " + layout);
    }
    requireOpen("copyFrom");
    source.requireOpen("copyFrom");
    Tensor apart =
        Tape.withoutRecording(
            () -> overlaps(source) ? apply(new Cast(dtype), source) : source.to(device()));
    try {
      Dispatch.runInto(new Cast(dtype), new Tensor[] {apart}, new Tensor[] {this});
    } finally {
      if (apart != source) {
        apart.close("copyFrom");
      }
    }
  }

  private boolean overlaps(Tensor other) {
    return storage == other.storage
        && !layout.equals(other.layout)
        && layout.lowest() <= other.layout.highest()
        && other.layout.lowest() <= layout.highest();
  }

  // ---- running ops ------------------------------------------------------------------------

  /** Applies an op with one output. */
  public static Tensor apply(Op op, Tensor... inputs) {
    return Dispatch.run(op, inputs)[0];
  }

  /** Applies an op and gives all of its outputs. */
  public static Tensor[] applyAll(Op op, Tensor... inputs) {
    return Dispatch.run(op, inputs);
  }

  /** Applies an op that may have no inputs on a device. */
  public static Tensor apply(Op op, Device device, Tensor... inputs) {
    return Dispatch.run(op, device, inputs)[0];
  }

  /**
   * Applies an op and writes its outputs over {@code outputs}, which are contiguous and may be the
   * same memory as inputs where the op allows that. Nothing is recorded for gradients.
   */
  public static void applyInto(Op op, List<Tensor> inputs, List<Tensor> outputs) {
    Dispatch.runInto(op, inputs.toArray(Tensor[]::new), outputs.toArray(Tensor[]::new));
  }

  /** Applies the decomposition of a composite op instead of its kernel. */
  public static Tensor applyDecomposed(Composite op, Tensor... inputs) {
    return Dispatch.decompose(op, inputs);
  }

  // ---- gradients --------------------------------------------------------------------------

  /** Asks for gradients with respect to this tensor; returns it. */
  public Tensor requireGrad() {
    if (!dtype.isFloat()) {
      throw new IllegalArgumentException("requireGrad: needs a float dtype, found " + spec());
    }
    requiresGrad = true;
    return this;
  }

  /** Whether gradients with respect to this tensor were asked for. */
  public boolean requiresGrad() {
    return requiresGrad;
  }

  /** Whether ops on this tensor are recorded: it was asked for, or follows from an input. */
  public boolean isTracked() {
    return requiresGrad || gradNode != null;
  }

  /** How this tensor was made from tracked ones, or null. */
  public @Nullable GradNode gradNode() {
    return gradNode;
  }

  /** Tells how this tensor was made; for the tape. */
  public void setGradNode(GradNode node) {
    gradNode = node;
  }

  /** Gradients of this scalar for all tensors that asked for them. */
  public Gradients backward() {
    return Tape.backward(this);
  }

  /** A view of the same memory that is not tracked. */
  public Tensor detach() {
    return alias("detach", layout);
  }

  // ---- views ------------------------------------------------------------------------------

  /** The same elements under another shape; one dimension may be -1 and follows from the rest. */
  public Tensor reshape(long... dims) {
    return reshape(inferDim(dims));
  }

  /** The same elements under another shape, as a view where the layout allows it. */
  public Tensor reshape(Shape shape) {
    return shape.equals(shape()) ? this : apply(new View.Reshape(shape), this);
  }

  private Shape inferDim(long[] dims) {
    int unknown = -1;
    long rest = size();
    boolean fits = true;
    for (int d = 0; d < dims.length; d++) {
      if (dims[d] < -1) {
        throw new IllegalArgumentException(
            "reshape: dimensions must be 0 or more, or -1 for one, found " + Arrays.toString(dims));
      }
      if (dims[d] != -1) {
        fits &= dims[d] != 0 && rest % dims[d] == 0;
        rest = fits ? rest / dims[d] : rest;
      } else if (unknown >= 0) {
        throw new IllegalArgumentException(
            "reshape: only one dimension may be -1, found " + Arrays.toString(dims));
      } else {
        unknown = d;
      }
    }
    if (unknown < 0) {
      return Shape.of(dims);
    }
    if (!fits) {
      throw new IllegalArgumentException(
          "reshape: " + shape() + " does not fit " + Arrays.toString(dims));
    }
    long[] resolved = dims.clone();
    resolved[unknown] = rest;
    return Shape.of(resolved);
  }

  /** Dimensions {@code from} to the last as one. */
  public Tensor flatten(int from) {
    int axis = OpCheck.axis("flatten", shape(), from);
    return reshape(shape().slice(0, axis).insert(axis, shape().slice(axis, rank()).size()));
  }

  /** Dimension {@code d} of the result is dimension {@code axes[d]} of this tensor. */
  public Tensor permute(int... axes) {
    return apply(
        new View.Permute(
            Arrays.stream(axes).map(axis -> axis < 0 ? axis + rank() : axis).boxed().toList()),
        this);
  }

  /** Exchanges two dimensions. */
  public Tensor transpose(int first, int second) {
    List<Integer> axes = new ArrayList<>(IntStream.range(0, rank()).boxed().toList());
    Collections.swap(
        axes,
        OpCheck.axis("transpose", shape(), first),
        OpCheck.axis("transpose", shape(), second));
    return apply(new View.Permute(axes), this);
  }

  /** Broadcasts to {@code shape} without a copy. */
  public Tensor expand(Shape shape) {
    return shape.equals(shape()) ? this : apply(new View.Expand(shape), this);
  }

  /** Elements {@code from} (inclusive) to {@code to} (exclusive) of an axis. */
  public Tensor slice(int axis, long from, long to) {
    return apply(new View.Slice(axis, from, to - from, 1), this);
  }

  /** Elements {@code from, from + step, ...} before {@code to} of an axis; step 1 or more. */
  public Tensor slice(int axis, long from, long to, long step) {
    long count = step < 1 || to <= from ? to - from : (to - from - 1) / step + 1;
    return apply(new View.Slice(axis, from, count, step), this);
  }

  /** One position of an axis, which is removed. */
  public Tensor select(int axis, long index) {
    int at = OpCheck.axis("select", shape(), axis);
    if (index < 0 || index >= dim(at)) {
      throw new IllegalArgumentException(
          "select: index " + index + " is out of range for axis " + axis + " of shape " + shape());
    }
    Tensor slice = slice(at, index, index + 1);
    return without(slice, slice.reshape(shape().without(at)));
  }

  /** Reverses an axis. */
  public Tensor flip(int axis) {
    return apply(new View.Flip(axis), this);
  }

  /** Inserts a dimension of size 1 before {@code axis}, which may be the rank. */
  public Tensor unsqueeze(int axis) {
    int at = axis < 0 ? axis + rank() + 1 : axis;
    if (at < 0 || at > rank()) {
      throw new IllegalArgumentException(
          "unsqueeze: axis " + axis + " is out of range for shape " + shape());
    }
    return reshape(shape().insert(at, 1));
  }

  /** Removes a dimension of size 1. */
  public Tensor squeeze(int axis) {
    int at = OpCheck.axis("squeeze", shape(), axis);
    if (dim(at) != 1) {
      throw new IllegalArgumentException(
          "squeeze: dimension " + axis + " must have size 1, found shape " + shape());
    }
    return reshape(shape().without(at));
  }

  /** This tensor if it lies in row-major order without gaps, else a copy that does. */
  public Tensor contiguous() {
    return layout.isContiguous() ? this : apply(new Cast(dtype), this);
  }

  // ---- conversions ------------------------------------------------------------------------

  /** The elements converted to {@code target}; this tensor if it has that dtype. */
  public Tensor to(DType target) {
    return target == dtype ? this : apply(new Cast(target), this);
  }

  /** This tensor on {@code target}; itself if it is there. Gradients do not flow through it. */
  public Tensor to(Device target) {
    if (target == device()) {
      return this;
    }
    Tensor source = Tape.withoutRecording(this::contiguous);
    try {
      return Transfer.to(target, source);
    } finally {
      if (source != this) {
        source.close("to(Device)");
      }
    }
  }

  // ---- elementwise ------------------------------------------------------------------------

  /** Applies one of the functions of {@link Unary}. */
  public Tensor map(Unary.Fn fn) {
    return apply(new Unary(fn), this);
  }

  private Tensor with(Binary.Fn fn, Tensor other) {
    return apply(new Binary(fn), this, other);
  }

  private Tensor with(Binary.Fn fn, double other) {
    Tensor constant = constant(fn, other);
    return without(constant, with(fn, constant));
  }

  private Tensor constant(Enum<?> fn, double value) {
    OpCheck.number(fn.name().toLowerCase(Locale.ROOT), value, spec());
    return full(value, dtype, device());
  }

  public Tensor add(Tensor other) {
    return with(Binary.Fn.ADD, other);
  }

  public Tensor add(double other) {
    return with(Binary.Fn.ADD, other);
  }

  public Tensor sub(Tensor other) {
    return with(Binary.Fn.SUB, other);
  }

  public Tensor sub(double other) {
    return with(Binary.Fn.SUB, other);
  }

  public Tensor mul(Tensor other) {
    return with(Binary.Fn.MUL, other);
  }

  public Tensor mul(double other) {
    return with(Binary.Fn.MUL, other);
  }

  public Tensor div(Tensor other) {
    return with(Binary.Fn.DIV, other);
  }

  public Tensor div(double other) {
    return with(Binary.Fn.DIV, other);
  }

  public Tensor pow(Tensor other) {
    return with(Binary.Fn.POW, other);
  }

  public Tensor pow(double other) {
    return with(Binary.Fn.POW, other);
  }

  /** The smaller of each pair; NaN when either is NaN. */
  public Tensor minimum(Tensor other) {
    return with(Binary.Fn.MIN, other);
  }

  /** The larger of each pair; NaN when either is NaN. */
  public Tensor maximum(Tensor other) {
    return with(Binary.Fn.MAX, other);
  }

  /** Limits the elements to [low, high]; those of an integer dtype to the integers in between. */
  public Tensor clamp(double low, double high) {
    Tensor from = nearest(dtype.isFloat() ? low : Math.ceil(low));
    Tensor to = nearest(dtype.isFloat() ? high : Math.floor(high));
    Tensor least = without(from, maximum(from));
    return without(least, without(to, least.minimum(to)));
  }

  /** The number of this dtype that is nearest to {@code value}. */
  private Tensor nearest(double value) {
    return Dispatch.run(new Fill(new TensorSpec(dtype, Shape.scalar()), value), device())[0];
  }

  public Tensor neg() {
    return map(Unary.Fn.NEG);
  }

  public Tensor abs() {
    return map(Unary.Fn.ABS);
  }

  public Tensor square() {
    return map(Unary.Fn.SQUARE);
  }

  public Tensor sqrt() {
    return map(Unary.Fn.SQRT);
  }

  public Tensor exp() {
    return map(Unary.Fn.EXP);
  }

  public Tensor log() {
    return map(Unary.Fn.LOG);
  }

  public Tensor tanh() {
    return map(Unary.Fn.TANH);
  }

  public Tensor sigmoid() {
    return map(Unary.Fn.SIGMOID);
  }

  public Tensor relu() {
    return map(Unary.Fn.RELU);
  }

  /** One of the comparisons, with broadcasting; gives BOOL. */
  public Tensor compare(Compare.Fn fn, Tensor other) {
    return apply(new Compare(fn), this, other);
  }

  /**
   * One of the comparisons with a number; gives BOOL.
   *
   * @throws IllegalArgumentException if the number is none of an integer dtype
   */
  public Tensor compare(Compare.Fn fn, double other) {
    Tensor constant = constant(fn, other);
    return without(constant, compare(fn, constant));
  }

  /** Where they are equal, as BOOL. */
  public Tensor eq(Tensor other) {
    return compare(Compare.Fn.EQ, other);
  }

  /** Takes {@code a} where {@code condition} (BOOL) holds, else {@code b}; all broadcast. */
  public static Tensor where(Tensor condition, Tensor a, Tensor b) {
    return apply(new Where(), condition, a, b);
  }

  // ---- reductions -------------------------------------------------------------------------

  private List<Integer> axesOrAll(int[] axes) {
    return axes.length == 0
        ? IntStream.range(0, rank()).boxed().toList()
        : Arrays.stream(axes).boxed().toList();
  }

  private Tensor reduce(Reduce.Fn fn, boolean keepDims, int... axes) {
    return apply(new Reduce(fn, axesOrAll(axes), keepDims), this);
  }

  /**
   * Sum over {@code axes}, which are removed; over all when none is named. Of this dtype: sums of
   * integers are modulo 2^bits, so convert small ones with {@link #to(DType)} first.
   */
  public Tensor sum(int... axes) {
    return reduce(Reduce.Fn.SUM, false, axes);
  }

  /** Sum over {@code axes}, which stay with size 1. */
  public Tensor sumKeep(int... axes) {
    return reduce(Reduce.Fn.SUM, true, axes);
  }

  /** Mean over {@code axes}, which are removed, of a float dtype; over all when none is named. */
  public Tensor mean(int... axes) {
    return mean(false, axes);
  }

  /** Mean over {@code axes}, which stay with size 1. */
  public Tensor meanKeep(int... axes) {
    return mean(true, axes);
  }

  private Tensor mean(boolean keepDims, int... axes) {
    OpCheck.floating("mean", spec());
    if (dtype == DType.F16) { // whose sums overflow where means do not
      Tensor wide = to(DType.F32);
      Tensor mean = without(wide, wide.mean(keepDims, axes));
      return without(mean, mean.to(dtype));
    }
    Tensor sum = reduce(Reduce.Fn.SUM, keepDims, axes);
    return without(sum, sum.mul(1.0 / count(axes)));
  }

  private double count(int... axes) {
    double count = 1;
    for (int axis : axesOrAll(axes)) {
      count *= dim(axis);
    }
    return count;
  }

  /** Largest element over {@code axes}, which are removed; over all when none is named. */
  public Tensor max(int... axes) {
    return reduce(Reduce.Fn.MAX, false, axes);
  }

  /** Smallest element over {@code axes}, which are removed; over all when none is named. */
  public Tensor min(int... axes) {
    return reduce(Reduce.Fn.MIN, false, axes);
  }

  /** Position of the largest element along an axis (I64), the first of equals. */
  public Tensor argmax(int axis) {
    return apply(new ArgReduce(ArgReduce.Fn.ARGMAX, axis, false), this);
  }

  /** Position of the smallest element along an axis (I64), the first of equals. */
  public Tensor argmin(int axis) {
    return apply(new ArgReduce(ArgReduce.Fn.ARGMIN, axis, false), this);
  }

  /** Exponentials along an axis, scaled to sum 1. */
  public Tensor softmax(int axis) {
    return apply(new Softmax(axis), this);
  }

  /** Logarithm of {@link #softmax}, computed without its loss of precision. */
  public Tensor logSoftmax(int axis) {
    return apply(new LogSoftmax(axis), this);
  }

  /** Running sums along an axis: element i is the sum of the elements 0 to i. */
  public Tensor cumSum(int axis) {
    return apply(new CumSum(axis, false, false), this);
  }

  /** Elements in order along an axis, and where each was (I64). */
  public record Ordered(Tensor values, Tensor indices) {}

  /** Sorts along an axis; equal elements keep their order, NaN is larger than all numbers. */
  public Ordered sort(int axis, boolean descending) {
    Tensor[] outputs = applyAll(new Sort(axis, descending), this);
    return new Ordered(outputs[0], outputs[1]);
  }

  /** The largest elements along an axis, the first one first, {@code count} of them. */
  public Ordered topK(int axis, long count) {
    Tensor[] outputs = applyAll(new TopK(axis, count, true, true), this);
    return new Ordered(outputs[0], outputs[1]);
  }

  // ---- products, indexing, joining --------------------------------------------------------

  /** Matrix product of the last two dimensions, [.., m, k] x [.., k, n]; the others broadcast. */
  public Tensor matmul(Tensor other) {
    return apply(new MatMul(), this, other);
  }

  /**
   * Scaled dot-product attention of these queries, [.., heads, queries, size], with the scale 1 /
   * sqrt(size); see {@link Attention} for grouped heads, the causal mask and hidden queries.
   *
   * @param key [.., key heads, keys, size]
   * @param value [.., key heads, keys, value size]
   * @param mask of this dtype, added to the scores, broadcasts to [.., heads, queries, keys]
   * @param causal whether query i sees the keys 0 to i only
   * @return [.., heads, queries, value size]
   */
  public Tensor attention(Tensor key, Tensor value, @Nullable Tensor mask, boolean causal) {
    double scale = rank() == 0 ? 1 : 1 / Math.sqrt((double) dim(-1));
    Op op = new Attention(scale, causal);
    return mask == null ? apply(op, this, key, value) : apply(op, this, key, value, mask);
  }

  /** Slices of {@code axis} at {@code indices} (I64 or I32, any shape). */
  public Tensor gather(int axis, Tensor indices) {
    return apply(new Gather(axis), this, indices);
  }

  /** Single elements along {@code axis}; {@code indices} has this shape but for the axis. */
  public Tensor takeAlong(int axis, Tensor indices) {
    return apply(new TakeAlong(axis), this, indices);
  }

  /** Joins tensors along an axis. */
  public static Tensor concat(int axis, Tensor... tensors) {
    if (tensors.length == 0) {
      throw new IllegalArgumentException("concat: needs one tensor or more, found none");
    }
    return apply(new Concat(axis), tensors);
  }

  /** Joins tensors of one shape along a new first axis. */
  public static Tensor stack(List<Tensor> tensors) {
    return concat(0, tensors.stream().map(tensor -> tensor.unsqueeze(0)).toArray(Tensor[]::new));
  }

  /** Surrounds with {@code value}: {@code before[d]} and {@code after[d]} elements. */
  public Tensor pad(long[] before, long[] after, double value) {
    return apply(
        new Pad(
            Arrays.stream(before).boxed().toList(),
            Arrays.stream(after).boxed().toList(),
            Collections.nCopies(rank(), 0L),
            value),
        this);
  }

  /** Dtype, shape and elements; long dimensions are abridged. */
  @Override
  public String toString() {
    String closed = closedBy;
    return closed != null
        ? "Tensor " + spec() + ", closed by " + closed
        : isTraced()
            ? "Tensor " + spec() + ", traced"
            : "Tensor " + spec() + " on " + device() + "\n" + TensorPrinter.print(this);
  }
}
