package io.quern.plan;

import io.quern.Device;
import io.quern.Tensor;
import io.quern.TensorAccess;
import io.quern.TensorScope;
import io.quern.backend.Buffer;
import io.quern.backend.Kernel;
import io.quern.backend.Operands;
import io.quern.grad.Tape;
import io.quern.op.Layout;
import io.quern.op.TensorSpec;
import io.quern.op.Work;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * A run of a plan step by step under supervision: events for Flight Recorder, times, ranges of
 * values, and comparison with the reference device. Slow, but for the events.
 */
final class WatchedRun {
  /**
   * How far a step may be from the reference device, relative to the largest element of its result:
   * the square root of the rounding error of F32, which leaves room for sums of millions of terms
   * and still shows every wrong kernel.
   */
  private static final double TOLERANCE = 0x1p-12;

  private final Plan plan;
  private final Device device;

  WatchedRun(Plan plan) {
    this.plan = plan;
    this.device = plan.device();
  }

  void run(Kernel[] kernels, Operands[] operands) {
    for (int i = 0; i < kernels.length; i++) {
      Step step = plan.stepList().get(i);
      if (Debug.VALIDATES) {
        validated(i, step, kernels[i], operands[i]);
      } else {
        timed(i, step, kernels[i], operands[i]);
      }
    }
  }

  private void timed(int number, Step step, Kernel kernel, Operands operands) {
    StepEvent event = new StepEvent();
    event.begin();
    long start = System.nanoTime();
    kernel.run(operands);
    device.context().finish();
    long nanos = System.nanoTime() - start;
    event.end();
    if (event.shouldCommit()) {
      event.step = number;
      event.op = step.op().name();
      event.kernel = kernel.name();
      event.bytes = bytes(step);
      event.commit();
    }
    if (Debug.CHOSEN >= 5) {
      String line =
          String.format(
              Locale.ROOT,
              "%3d  %-34s %9.3f ms %7.1f GB/s %8.1f GFLOP/s",
              number,
              kernel.name(),
              nanos / 1e6,
              bytes(step) / (double) nanos,
              flops(step) / (double) nanos);
      Debug.print(line);
    }
  }

  private static long bytes(Step step) {
    return Work.bytes(specs(step.inputs()), specs(step.outputs()));
  }

  private static long flops(Step step) {
    return Work.flops(step.op(), specs(step.inputs()), specs(step.outputs()));
  }

  private static List<TensorSpec> specs(List<Place> places) {
    return places.stream().map(Place::spec).toList();
  }

  private void validated(int number, Step step, Kernel kernel, Operands operands) {
    try (TensorScope _ = TensorScope.open("a validated step")) {
      List<Tensor> inputs = new ArrayList<>();
      for (int i = 0; i < step.inputs().size(); i++) {
        Place place = step.inputs().get(i);
        if (place.memory() instanceof Memory.Prepared prepared) {
          Place source = prepared.source();
          inputs.add(copy(source, prepared.sourceBuffer(), source.byteOffset()));
        } else {
          inputs.add(copy(place, operands.buffer(i), operands.byteOffset(i)));
        }
      }
      timed(number, step, kernel, operands);
      List<Tensor> expected = Tape.withoutRecording(() -> reference(step, inputs));
      for (int i = 0; i < expected.size(); i++) {
        int operand = step.inputs().size() + i;
        Tensor found =
            copy(step.outputs().get(i), operands.buffer(operand), operands.byteOffset(operand));
        compare(number, step, expected.get(i).toDoubleArray(), found.toDoubleArray());
      }
    }
  }

  private static List<Tensor> reference(Step step, List<Tensor> inputs) {
    List<Tensor> outputs = new ArrayList<>();
    if (step.outputs().size() == 1) {
      Tensor[] all = inputs.toArray(Tensor[]::new);
      return List.of(Tensor.apply(step.op(), Device.reference(), all));
    }
    for (Place output : step.outputs()) {
      outputs.add(TensorAccess.allocate(Device.reference(), output.spec()));
    }
    Tensor.applyInto(step.op(), inputs, outputs);
    return outputs;
  }

  /** The value of an operand as a contiguous tensor on the reference device. */
  private Tensor copy(Place place, Buffer buffer, long byteOffset) {
    Layout layout = place.layout();
    long first = place.dtype().byteSize(layout.lowest() - layout.offset());
    long elements = layout.span();
    long bytes = place.dtype().byteSize(elements);
    Tensor range =
        TensorAccess.allocate(
            Device.reference(), new TensorSpec(place.dtype(), io.quern.Shape.of(elements)));
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment content = arena.allocate(Math.max(1, bytes), 64).asSlice(0, bytes);
      device.context().download(buffer, byteOffset + first, content);
      Device.reference().context().upload(content, TensorAccess.buffer(range), 0);
    }
    return TensorAccess.view(range, layout.moved(-layout.lowest())).contiguous();
  }

  private static void compare(int number, Step step, double[] expected, double[] found) {
    double largest = 0;
    for (double value : expected) {
      largest = Double.isFinite(value) ? Math.max(largest, Math.abs(value)) : largest;
    }
    for (int i = 0; i < expected.length; i++) {
      boolean same =
          Double.compare(expected[i], found[i]) == 0
              || Math.abs(expected[i] - found[i]) <= TOLERANCE * largest;
      if (!same) {
        throw new IllegalStateException(
            String.format(
                Locale.ROOT,
                "validate: step %d, %s by %s, differs from the reference device first at element"
                    + " %d: found %s, expected %s",
                number,
                step.op(),
                step.kernel().name(),
                i,
                found[i],
                expected[i]));
      }
    }
    if (Debug.CHOSEN >= 6) {
      Debug.print("     largest " + largest + " of " + expected.length + " elements");
    }
  }
}
