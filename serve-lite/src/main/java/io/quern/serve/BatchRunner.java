package io.quern.serve;

import io.quern.Shape;
import io.quern.Tensor;
import io.quern.TensorScope;
import io.quern.grad.Tape;
import io.quern.op.TensorSpec;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/** Stacks examples, runs the model and cuts its result into rows. For one thread at a time. */
final class BatchRunner {
  private final Function<Tensor, Tensor> model;
  private final TensorSpec example;
  private MemorySegment stack = MemorySegment.ofArray(new byte[0]);

  BatchRunner(Function<Tensor, Tensor> model, TensorSpec example) {
    this.model = model;
    this.example = example;
  }

  /** The rows for {@code examples}, in their order; throws what the model throws. */
  List<Row> run(List<MemorySegment> examples) {
    int count = examples.size();
    long bytes = example.byteSize();
    if (stack.byteSize() < count * bytes) {
      stack = MemorySegment.ofArray(new byte[Math.toIntExact(count * bytes)]);
    }
    for (int i = 0; i < count; i++) {
      MemorySegment.copy(
          examples.get(i),
          ValueLayout.JAVA_BYTE,
          0,
          stack,
          ValueLayout.JAVA_BYTE,
          i * bytes,
          bytes);
    }
    return Tape.withoutRecording(() -> apply(stack.asSlice(0, count * bytes), count));
  }

  private List<Row> apply(MemorySegment batch, int count) {
    TensorSpec result;
    MemorySegment bytes;
    try (TensorScope _ = TensorScope.open("a batch of ModelHandle")) {
      Tensor input = Tensor.fromSegment(batch, example.dtype(), example.shape().insert(0, count));
      Tensor output = model.apply(input);
      result = output.spec();
      if (result.shape().rank() == 0 || result.shape().dim(0) != count) {
        throw new IllegalStateException(
            "model: expected a row for each of "
                + count
                + " examples "
                + example
                + ", found "
                + result);
      }
      bytes = MemorySegment.ofArray(output.toByteArray());
    }
    Shape shape = result.shape().without(0);
    TensorSpec row = result.with(shape);
    List<Row> rows = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      rows.add(new Row(bytes.asSlice(i * row.byteSize(), row.byteSize()), row));
    }
    return rows;
  }
}
