package io.quern.plan;

import io.quern.Tensor;
import io.quern.graph.Graph;
import io.quern.graph.Value;
import java.util.ArrayList;
import java.util.List;

/** Makes a plan of a graph: kernels, results where they are wanted, temporaries in one arena. */
final class Planner {
  private final Graph graph;
  private final Lowering lowering;
  private final List<Step> steps;

  private final PreparedInputs prepared;

  private Planner(Graph graph, PreparedInputs prepared) {
    this.graph = graph;
    this.prepared = prepared;
    this.lowering = new Lowering(graph);
    this.steps = lowering.steps();
  }

  /** The plan of a graph. */
  static Plan plan(Graph graph, PreparedInputs prepared) {
    return new Planner(graph, prepared).plan();
  }

  private Plan plan() {
    reuseInputs();
    List<Place> outputs = placeOutputs();
    writeTargets();
    if (graph.device().context().isHostMemory()) {
      ConcatInPlace.apply(lowering);
    }
    prepared.use(steps);
    long arena = ArenaLayout.place(steps, lowering.hosts());
    return new Plan(
        graph.device(),
        graph.inputs(),
        outputs.stream().map(Place::spec).toList(),
        steps,
        lowering.hosts(),
        arena,
        lowering.fallbacks(),
        computed(graph));
  }

  private static List<Tensor> computed(Graph graph) {
    return graph.captured().stream()
        .filter(Value.Captured::isComputed)
        .map(Value.Captured::tensor)
        .toList();
  }

  // ---- results over inputs that nobody needs any more ---------------------------------------

  private void reuseInputs() {
    for (int i = 0; i < steps.size(); i++) {
      for (int output = 0; output < steps.get(i).outputs().size(); output++) {
        reuseInput(i, output);
      }
    }
  }

  private void reuseInput(int at, int output) {
    Step step = steps.get(at);
    for (int input = 0; input < step.inputs().size(); input++) {
      Memory from = step.inputs().get(input).memory();
      boolean free =
          from instanceof Memory.Temporary
              && from.bytes() == step.outputs().get(output).memory().bytes()
              && lastRead(from) == at
              && !isKept(from);
      if (free && InPlace.fits(step, output, input)) {
        replace(step.outputs().get(output).memory(), from);
        return;
      }
    }
  }

  /** Whether the graph's outputs or writes show the memory. */
  private boolean isKept(Memory memory) {
    return graph.outputs().stream().anyMatch(value -> shows(value, memory))
        || graph.writes().stream().anyMatch(write -> shows(write.value(), memory));
  }

  private boolean shows(Value value, Memory memory) {
    return lowering.place(value).memory().equals(memory);
  }

  private int lastRead(Memory memory) {
    for (int i = steps.size() - 1; i >= 0; i--) {
      if (steps.get(i).reads(memory)) {
        return i;
      }
    }
    return -1;
  }

  private void replace(Memory old, Memory memory) {
    steps.replaceAll(step -> step.with(old, memory));
    lowering.move(old, memory);
  }

  // ---- captured tensors that change --------------------------------------------------------

  private void writeTargets() {
    List<Graph.Write> copies = new ArrayList<>();
    for (Graph.Write write : graph.writes()) {
      Place value = lowering.place(write.value());
      Place target = lowering.place(write.target());
      if (isDirect(value, target)) {
        replace(value.memory(), target.memory());
      } else {
        copies.add(write);
      }
    }
    // All values are read before the first target changes.
    List<Place> values =
        copies.stream()
            .map(write -> lowering.place(write.value()))
            .map(place -> place.memory() instanceof Memory.Captured ? lowering.copy(place) : place)
            .toList();
    for (int i = 0; i < values.size(); i++) {
      Place target = lowering.place(copies.get(i).target());
      steps.add(lowering.copyStep(values.get(i), target));
    }
  }

  /** Whether the step that makes the value may write it over the target. */
  private boolean isDirect(Place value, Place target) {
    if (!(value.memory() instanceof Memory.Temporary)
        || !value.isWhole()
        || target.layout().offset() != 0
        || writesOf(target.memory()) != 0
        || writesOf(value.memory()) != 1) {
      return false;
    }
    int made = firstWrite(value.memory());
    if (made != lastWrite(value.memory()) || lastRead(target.memory()) > made) {
      return false;
    }
    Step step = steps.get(made);
    int output = indexOf(step.outputs(), value.memory());
    int input = indexOf(step.inputs(), target.memory());
    return input < 0 || InPlace.fits(step, output, input);
  }

  /** Number of writes whose value lies in the memory. */
  private long writesOf(Memory memory) {
    return graph.writes().stream().filter(write -> shows(write.value(), memory)).count();
  }

  private int firstWrite(Memory memory) {
    for (int i = 0; i < steps.size(); i++) {
      if (steps.get(i).writes(memory)) {
        return i;
      }
    }
    return -1;
  }

  private int lastWrite(Memory memory) {
    for (int i = steps.size() - 1; i >= 0; i--) {
      if (steps.get(i).writes(memory)) {
        return i;
      }
    }
    return -1;
  }

  private static int indexOf(List<Place> places, Memory memory) {
    for (int i = 0; i < places.size(); i++) {
      if (places.get(i).memory().equals(memory)) {
        return i;
      }
    }
    return -1;
  }

  // ---- outputs -----------------------------------------------------------------------------

  private List<Place> placeOutputs() {
    List<Place> outputs = new ArrayList<>();
    for (int i = 0; i < graph.outputs().size(); i++) {
      Place value = lowering.place(graph.outputs().get(i));
      boolean direct = value.memory() instanceof Memory.Temporary && value.isWhole();
      Place made = direct ? value : lowering.copy(value);
      Memory output = new Memory.Output(i, made.memory().bytes());
      replace(made.memory(), output);
      outputs.add(Place.contiguous(output, value.spec()));
    }
    return outputs;
  }
}
