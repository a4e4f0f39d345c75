package io.quern.plan;

import io.quern.Device;
import io.quern.Tensor;
import io.quern.TensorAccess;
import io.quern.op.TensorSpec;
import io.quern.runtime.WarmUp;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.jspecify.annotations.Nullable;

/**
 * A function of tensors for fixed shapes and dtypes, ready to run: which kernels, in which order,
 * on which memory. Immutable and thread-safe; each run that takes place at the same time as others
 * has memory of its own, which is kept for later runs.
 */
public final class Plan {
  /** Memories that are kept for later runs. */
  private static final int KEPT = 64;

  private final Device device;
  private final List<TensorSpec> inputs;
  private final List<TensorSpec> outputs;
  private final Step[] steps;
  private final List<Memory.Host> hosts;
  private final long arenaBytes;
  private final List<String> fallbacks;
  private final Tensor[] written;
  private final List<Tensor> computed;
  private final Memory.Prepared[] prepared;
  private final AtomicReferenceArray<@Nullable Frame> idle = new AtomicReferenceArray<>(KEPT);
  private final AtomicBoolean closed = new AtomicBoolean();

  /** Runs that take place, and one more until the plan is closed. */
  private final AtomicInteger users = new AtomicInteger(1);

  Plan(
      Device device,
      List<TensorSpec> inputs,
      List<TensorSpec> outputs,
      List<Step> steps,
      List<Memory.Host> hosts,
      long arenaBytes,
      List<String> fallbacks,
      List<Tensor> computed) {
    this.device = device;
    this.inputs = List.copyOf(inputs);
    this.outputs = List.copyOf(outputs);
    this.steps = steps.toArray(Step[]::new);
    this.hosts = List.copyOf(hosts);
    this.arenaBytes = arenaBytes;
    this.fallbacks = List.copyOf(fallbacks);
    this.computed = List.copyOf(computed);
    List<Tensor> targets = new ArrayList<>();
    for (Step step : steps) {
      for (Place output : step.outputs()) {
        if (output.memory() instanceof Memory.Captured captured) {
          targets.add(captured.tensor());
        }
      }
    }
    this.written = targets.toArray(Tensor[]::new);
    this.prepared =
        steps.stream()
            .flatMap(step -> step.inputs().stream())
            .map(Place::memory)
            .filter(Memory.Prepared.class::isInstance)
            .map(Memory.Prepared.class::cast)
            .distinct()
            .toArray(Memory.Prepared[]::new);
  }

  /** Where the plan runs. */
  public Device device() {
    return device;
  }

  /** Element types and shapes of the arguments. */
  public List<TensorSpec> inputs() {
    return inputs;
  }

  /** Element types and shapes of the results. */
  public List<TensorSpec> outputs() {
    return outputs;
  }

  /** Number of kernels that run. */
  public int steps() {
    return steps.length;
  }

  /** Bytes of the memory that all temporaries of a run share. */
  public long arenaBytes() {
    return arenaBytes;
  }

  /** Bytes of weights that are kept in the form in which kernels read them. */
  public long preparedBytes() {
    long bytes = 0;
    for (Memory.Prepared input : prepared) {
      bytes += input.bytes();
    }
    return bytes;
  }

  /** Ops that run on the slow reference kernels; empty when the device has a kernel for each. */
  public List<String> fallbacks() {
    return fallbacks;
  }

  /** Names of the kernels in the order in which they run. */
  public List<String> kernels() {
    return List.of(steps).stream().map(step -> step.kernel().name()).toList();
  }

  List<Step> stepList() {
    return List.of(steps);
  }

  /**
   * Waits until every kernel is as fast as it will be, and runs the plan on zeros until the rest
   * is, for three seconds at most, unless runs write more than their results or draw numbers.
   */
  public void warmUp() {
    for (Step step : steps) {
      step.kernel().warmUp();
    }
    if (WarmUp.isOn() && written.length == 0 && hosts.isEmpty()) {
      Rehearsal.of(this);
    }
  }

  /** Steps, kernels and memory as a table. */
  public String describe() {
    return PlanTable.of(this, null);
  }

  /**
   * The table with times.
   *
   * @param nanos nanoseconds of each step, as {@link #profile} measures them
   */
  public String describe(long[] nanos) {
    if (nanos.length != steps.length) {
      throw new IllegalArgumentException(
          "plan: expected the times of " + steps.length + " steps, found " + nanos.length);
    }
    return PlanTable.of(this, nanos);
  }

  /**
   * Runs the plan and writes the results into {@code results}, contiguous tensors that are not
   * among the arguments. Allocates nothing once as many runs as now have taken place at a time.
   *
   * @throws IllegalArgumentException if dtypes, shapes or devices are not the plan's, or an
   *     argument is not contiguous
   * @throws IllegalStateException if a tensor or the plan was closed
   */
  public void run(Tensor[] arguments, Tensor[] results) {
    run(arguments, results, null);
  }

  /** Runs the plan as {@link #run} does, and gives the nanoseconds that each step took. */
  public long[] profile(Tensor[] arguments, Tensor[] results) {
    long[] nanos = new long[steps.length];
    run(arguments, results, nanos);
    return nanos;
  }

  private void run(Tensor[] arguments, Tensor[] results, long @Nullable [] nanos) {
    check("argument", arguments, inputs);
    check("result", results, outputs);
    enter();
    try {
      runOpen(arguments, results, nanos);
    } finally {
      leave();
    }
  }

  private void runOpen(Tensor[] arguments, Tensor[] results, long @Nullable [] nanos) {
    int held = 0;
    int heldResults = 0;
    Frame frame = acquire();
    try {
      for (; held < arguments.length; held++) {
        TensorAccess.hold(arguments[held], "plan");
      }
      for (; heldResults < results.length; heldResults++) {
        TensorAccess.hold(results[heldResults], "plan");
      }
      frame.bind(arguments, results);
      for (Memory.Prepared input : prepared) {
        input.refresh();
      }
      try {
        if (nanos == null) {
          frame.run(this);
        } else {
          frame.run(nanos);
        }
      } finally {
        tellWritten(results);
      }
    } finally {
      while (--held >= 0) {
        TensorAccess.unhold(arguments[held]);
      }
      while (--heldResults >= 0) {
        TensorAccess.unhold(results[heldResults]);
      }
      release(frame);
    }
  }

  /** Steps that ran before one that failed have written, too. */
  private void tellWritten(Tensor[] results) {
    for (Tensor tensor : written) {
      TensorAccess.written(tensor);
    }
    for (Tensor result : results) {
      TensorAccess.written(result);
    }
  }

  private void check(String what, Tensor[] tensors, List<TensorSpec> expected) {
    if (tensors.length != expected.size()) {
      throw new IllegalArgumentException(
          "plan: expected " + expected.size() + " " + what + "s, found " + tensors.length);
    }
    for (int i = 0; i < tensors.length; i++) {
      Tensor tensor = tensors[i];
      TensorSpec spec = expected.get(i);
      boolean fits = tensor.dtype() == spec.dtype() && tensor.shape().equals(spec.shape());
      if (!fits || !tensor.layout().isContiguous() || tensor.device() != device) {
        throw new IllegalArgumentException(
            "plan: "
                + what
                + " "
                + i
                + " must be contiguous "
                + spec
                + " on "
                + device
                + ", found "
                + tensor.spec()
                + (tensor.layout().isContiguous() ? "" : " as a view")
                + " on "
                + tensor.device());
      }
    }
  }

  /** Gives its memory back, as soon as no run takes place; there are no more runs after it. */
  void close() {
    if (closed.compareAndSet(false, true)) {
      leave();
    }
  }

  private void enter() {
    for (int now = users.get(); now > 0 && !closed.get(); now = users.get()) {
      if (users.compareAndSet(now, now + 1)) {
        return;
      }
    }
    throw new IllegalStateException("plan: it was closed; compile the function anew");
  }

  private void leave() {
    if (users.decrementAndGet() > 0) {
      return;
    }
    for (int i = 0; i < KEPT; i++) {
      Frame frame = idle.getAndSet(i, null);
      if (frame != null) {
        frame.close();
      }
    }
    for (Memory.Prepared input : prepared) {
      input.release();
    }
    computed.forEach(Tensor::close);
  }

  private Frame acquire() {
    for (int i = 0; i < KEPT; i++) {
      Frame frame = idle.get(i) == null ? null : idle.getAndSet(i, null);
      if (frame != null) {
        return frame;
      }
    }
    return new Frame(device, steps, hosts, arenaBytes);
  }

  private void release(Frame frame) {
    frame.unbind();
    for (int i = 0; i < KEPT; i++) {
      if (idle.compareAndSet(i, null, frame)) {
        return;
      }
    }
    frame.close();
  }
}
