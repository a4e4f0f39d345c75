package io.quern.plan;

import io.quern.backend.Kernel;
import io.quern.op.Op;
import java.util.ArrayList;
import java.util.List;

/** A kernel on certain memory; outputs are contiguous. */
record Step(Op op, Kernel kernel, List<Place> inputs, List<Place> outputs) {
  Step {
    inputs = List.copyOf(inputs);
    outputs = List.copyOf(outputs);
  }

  /** Inputs, then outputs. */
  List<Place> operands() {
    List<Place> operands = new ArrayList<>(inputs);
    operands.addAll(outputs);
    return operands;
  }

  /** This step with other memory wherever it uses {@code old}. */
  Step with(Memory old, Memory memory) {
    return with(old, memory, 0);
  }

  /** The same, where all that was in {@code old} lies so many elements further. */
  Step with(Memory old, Memory memory, long by) {
    return new Step(op, kernel, moved(inputs, old, memory, by), moved(outputs, old, memory, by));
  }

  private static List<Place> moved(List<Place> places, Memory old, Memory memory, long by) {
    return places.stream().map(place -> place.moved(old, memory, by)).toList();
  }

  boolean reads(Memory memory) {
    return inputs.stream().anyMatch(place -> place.memory().equals(memory));
  }

  boolean writes(Memory memory) {
    return outputs.stream().anyMatch(place -> place.memory().equals(memory));
  }
}
