package io.quern.conformance;

import io.quern.DType;
import io.quern.backend.Buffer;
import io.quern.backend.HostBuffer;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.op.Cast;
import io.quern.op.Composite;
import io.quern.op.Fill;
import io.quern.op.Iota;
import io.quern.op.Layout;
import io.quern.op.Op;
import io.quern.op.OpBuilder;
import io.quern.op.Random;
import io.quern.op.TensorSpec;
import io.quern.op.View;
import io.quern.reference.ReferenceKernels;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** Expected results: the reference kernels on contiguous operands, without tensors or dispatch. */
public final class Oracle implements OpBuilder<HostArray> {
  private static final Oracle INSTANCE = new Oracle();

  private Oracle() {}

  /** The op's results with all floats in double precision. */
  public static List<HostArray> inDouble(Op op, List<HostArray> inputs) {
    return run(inDouble(op), inputs.stream().map(HostArray::inDouble).toList());
  }

  /** {@code op} with F64 in place of every other float type among its arguments. */
  public static Op inDouble(Op op) {
    return switch (op) {
      case Cast cast when cast.dtype().isFloat() -> new Cast(DType.F64);
      case Fill fill when fill.spec().dtype().isFloat() ->
          new Fill(fill.spec().with(DType.F64), HostArray.round(fill.spec().dtype(), fill.value()));
      case Iota iota when iota.dtype().isFloat() -> new Iota(DType.F64, iota.count());
      case Random random when random.distribution() == Random.Distribution.NORMAL ->
          new Random(random.distribution(), random.spec().with(DType.F64));
      default -> op;
    };
  }

  /** The op's results. */
  public static List<HostArray> run(Op op, List<HostArray> inputs) {
    List<TensorSpec> outputs = op.infer(inputs.stream().map(HostArray::spec).toList());
    return switch (op) {
      case View view ->
          List.of(
              read(inputs.getFirst(), view.apply(Layout.contiguous(inputs.getFirst().shape()))));
      case Composite composite -> List.of(composite.decompose(INSTANCE, inputs));
      default -> runKernel(op, inputs, outputs);
    };
  }

  /** The elements of {@code array} that {@code layout} shows, in row-major order. */
  static HostArray read(HostArray array, Layout layout) {
    double[] values = new double[Math.toIntExact(layout.shape().size())];
    long[] index = new long[layout.rank()];
    long position = layout.offset();
    for (int i = 0; i < values.length; i++) {
      values[i] = array.values()[Math.toIntExact(position)];
      for (int d = layout.rank() - 1; d >= 0; d--) {
        position += layout.stride(d);
        if (++index[d] < layout.shape().dim(d)) {
          break;
        }
        position -= index[d] * layout.stride(d);
        index[d] = 0;
      }
    }
    return new HostArray(array.spec().with(layout.shape()), values);
  }

  private static List<HostArray> runKernel(
      Op op, List<HostArray> inputs, List<TensorSpec> outputs) {
    List<TensorSpec> specs = new ArrayList<>(inputs.stream().map(HostArray::spec).toList());
    specs.addAll(outputs);
    KernelKey key =
        new KernelKey(
            op,
            specs.stream().map(TensorSpec::dtype).toArray(DType[]::new),
            specs.stream().map(s -> Layout.contiguous(s.shape())).toArray(Layout[]::new),
            inputs.size());
    Buffer[] buffers = new Buffer[specs.size()];
    for (int i = 0; i < buffers.length; i++) {
      buffers[i] = HostBuffer.allocate(specs.get(i).byteSize());
    }
    try {
      for (int i = 0; i < inputs.size(); i++) {
        HostBuffer.upload(inputs.get(i).toBytes(), buffers[i], 0);
      }
      ReferenceKernels.find(key).orElseThrow().run(new Operands(buffers, new long[buffers.length]));
      List<HostArray> results = new ArrayList<>();
      for (int i = inputs.size(); i < buffers.length; i++) {
        MemorySegment bytes = Arena.ofAuto().allocate(Math.max(1, specs.get(i).byteSize()));
        HostBuffer.download(buffers[i], 0, bytes.asSlice(0, specs.get(i).byteSize()));
        results.add(HostArray.fromBytes(specs.get(i), bytes));
      }
      return results;
    } finally {
      for (Buffer buffer : buffers) {
        buffer.release();
      }
    }
  }

  @Override
  public HostArray apply(Op op, List<HostArray> inputs) {
    return run(op, inputs).getFirst();
  }

  @Override
  public TensorSpec spec(HostArray value) {
    return value.spec();
  }
}
