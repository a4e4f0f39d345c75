package io.quern.plan;

import io.quern.Device;
import io.quern.Tensor;
import io.quern.TensorAccess;
import io.quern.grad.Tape;
import io.quern.graph.Graph;
import io.quern.graph.Pass;
import io.quern.graph.Trace;
import io.quern.op.TensorSpec;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Function;
import java.util.function.UnaryOperator;

/**
 * A function of tensors that runs as plans, one for each combination of shapes and dtypes it is
 * called with. Thread-safe.
 *
 * <p>Its plans have memory of their own, for temporaries and for weights in the form in which
 * kernels read them. {@link #close} gives it back at once; a function that is forgotten gives it
 * back after a garbage collection.
 */
public final class Compiled implements AutoCloseable {
  private final Device device;
  private final Function<List<Tensor>, List<Tensor>> function;
  private final List<TensorSpec> inputs;
  private final UnaryOperator<Graph> reading;
  private final List<Pass> passes;
  private final boolean fixed;
  private final Map<List<TensorSpec>, Entry> plans;
  private final AtomicBoolean closed;
  private final PreparedInputs prepared;

  /** Compiles for {@code inputs} at once, for others when they are met. */
  public Compiled(
      Device device, Function<List<Tensor>, List<Tensor>> function, List<TensorSpec> inputs) {
    this(device, function, inputs, UnaryOperator.identity());
  }

  /**
   * Compiles for {@code inputs} at once, for others when they are met.
   *
   * @param device where the function is traced
   * @param reading what becomes of a traced graph before the passes, such as {@code
   *     Recognise::apply}; may move it to another device
   */
  public Compiled(
      Device device,
      Function<List<Tensor>, List<Tensor>> function,
      List<TensorSpec> inputs,
      UnaryOperator<Graph> reading) {
    this(
        device,
        function,
        inputs,
        reading,
        Pass.enabled(),
        false,
        new ConcurrentHashMap<>(),
        new PreparedInputs(),
        new AtomicBoolean());
    entry(this.inputs);
  }

  /**
   * Compiles a function that reads tensors which change from run to run, such as weights in a
   * training: what follows from these alone is part of each run. Other functions compute it once,
   * and are compiled anew when a tensor has changed.
   */
  public static Compiled changing(
      Collection<Tensor> tensors,
      Device device,
      Function<List<Tensor>, List<Tensor>> function,
      List<TensorSpec> inputs) {
    return new Compiled(device, function, inputs, graph -> graph.changing(tensors));
  }

  private Compiled(
      Device device,
      Function<List<Tensor>, List<Tensor>> function,
      List<TensorSpec> inputs,
      UnaryOperator<Graph> reading,
      List<Pass> passes,
      boolean fixed,
      Map<List<TensorSpec>, Entry> plans,
      PreparedInputs prepared,
      AtomicBoolean closed) {
    this.device = device;
    this.function = function;
    this.inputs = List.copyOf(inputs);
    this.reading = reading;
    this.passes = passes;
    this.fixed = fixed;
    this.plans = plans;
    this.prepared = prepared;
    this.closed = closed;
  }

  /** A plan, and what was folded into it when it was made. */
  private record Entry(Plan plan, List<Tensor> folded, List<Long> versions) {
    boolean isCurrent() {
      for (int i = 0; i < folded.size(); i++) {
        if (TensorAccess.version(folded.get(i)) != versions.get(i)) {
          return false;
        }
      }
      return true;
    }
  }

  /**
   * This function, which throws when it is called with other shapes than it was compiled for. Both
   * have the same plans: closing one closes the other.
   */
  public Compiled fixed() {
    return new Compiled(device, function, inputs, reading, passes, true, plans, prepared, closed);
  }

  /** This function compiled with these passes only. */
  public Compiled with(Pass... only) {
    return new Compiled(
        device,
        function,
        inputs,
        reading,
        List.of(only),
        fixed,
        new ConcurrentHashMap<>(),
        new PreparedInputs(),
        new AtomicBoolean());
  }

  /**
   * Runs the function.
   *
   * @return its only result, as a new tensor
   */
  public Tensor run(Tensor... arguments) {
    Tensor[] results = runAll(arguments);
    if (results.length != 1) {
      throw new IllegalStateException(
          "compiled: the function has " + results.length + " results; use runAll");
    }
    return results[0];
  }

  /** Runs the function and gives its results as new tensors. */
  public Tensor[] runAll(Tensor... arguments) {
    Plan plan = planFor(arguments);
    Tensor[] results = new Tensor[plan.outputs().size()];
    for (int i = 0; i < results.length; i++) {
      results[i] = TensorAccess.allocate(plan.device(), plan.outputs().get(i));
    }
    Tensor[] packed = arguments.clone();
    boolean ran = false;
    try {
      for (int i = 0; i < packed.length; i++) {
        Tensor argument = arguments[i];
        packed[i] = Tape.withoutRecording(argument::contiguous);
      }
      plan.run(packed, results);
      ran = true;
      return results;
    } finally {
      for (int i = 0; i < results.length && !ran; i++) {
        results[i].close();
      }
      for (int i = 0; i < packed.length; i++) {
        if (packed[i] != arguments[i]) {
          packed[i].close();
        }
      }
    }
  }

  /**
   * Runs the function and writes its results into contiguous tensors; arguments are contiguous too.
   * Allocates nothing.
   */
  public void runInto(Tensor[] arguments, Tensor[] results) {
    planFor(arguments).run(arguments, results);
  }

  /** The plan for the shapes that the function was compiled for. */
  public Plan plan() {
    return entry(inputs).plan;
  }

  /** Waits until the kernels of {@link #plan} are as fast as they will be. */
  public Compiled warmUp() {
    plan().warmUp();
    return this;
  }

  /**
   * Gives the memory of all plans back, as soon as runs that take place now have ended. Later runs
   * throw {@link IllegalStateException}. Results that were given out stay.
   */
  @Override
  public void close() {
    closed.set(true);
    plans.values().forEach(entry -> entry.plan.close());
  }

  private Plan planFor(Tensor[] arguments) {
    if (matches(arguments)) {
      return entry(inputs).plan;
    }
    if (arguments.length != inputs.size()) {
      throw new IllegalArgumentException(
          "compiled: expected " + inputs.size() + " arguments, found " + arguments.length);
    }
    List<TensorSpec> specs = Arrays.stream(arguments).map(Tensor::spec).toList();
    if (fixed) {
      throw new IllegalArgumentException(
          "compiled: expected arguments " + inputs + ", found " + specs);
    }
    return entry(specs).plan;
  }

  private boolean matches(Tensor[] arguments) {
    boolean matches = arguments.length == inputs.size();
    for (int i = 0; matches && i < arguments.length; i++) {
      matches =
          arguments[i].dtype() == inputs.get(i).dtype()
              && arguments[i].shape().equals(inputs.get(i).shape());
    }
    return matches;
  }

  private Entry entry(List<TensorSpec> specs) {
    Entry entry = plans.get(specs);
    if (entry != null && entry.isCurrent()) {
      return entry;
    }
    Entry now =
        plans.compute(specs, (key, old) -> old != null && old.isCurrent() ? old : compile(specs));
    if (closed.get()) { // whoever closed the function may not have seen this plan
      now.plan.close();
    }
    return now;
  }

  private Entry compile(List<TensorSpec> specs) {
    long start = System.nanoTime();
    Graph graph = Trace.of(function, device, specs);
    Debug.traced(graph);
    graph = reading.apply(graph);
    for (Pass pass : passes) {
      Graph rewritten = pass.apply(graph);
      Debug.passed(pass.label(), graph, rewritten);
      graph = rewritten;
    }
    List<Tensor> folded =
        graph.captured().stream()
            .flatMap(captured -> captured.sources().stream())
            .distinct()
            .toList();
    List<Long> versions = folded.stream().map(TensorAccess::version).toList();
    Plan plan = Planner.plan(graph, prepared);
    Debug.planned(plan, System.nanoTime() - start);
    return new Entry(plan, folded, versions);
  }
}
