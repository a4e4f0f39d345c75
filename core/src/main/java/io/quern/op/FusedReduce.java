package io.quern.op;

import java.util.List;

/**
 * Folds the result of a chain of elementwise functions, which need not be in memory for it. Inputs:
 * those of the program, all of one float dtype; they broadcast. Each function rounds as it does on
 * its own, and the fold has the order of the reduction on its own.
 */
public record FusedReduce(ScalarProgram program, Reduce reduce) implements Composite {
  @Override
  public String name() {
    return "fused_" + reduce.name();
  }

  /** What is folded: the result of the chain. */
  public TensorSpec folded(List<TensorSpec> inputs) {
    return new Fused(program).infer(inputs).getFirst();
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    return reduce.infer(List.of(folded(inputs)));
  }

  @Override
  public <T> T decompose(OpBuilder<T> builder, List<T> inputs) {
    return builder.apply(reduce, List.of(builder.apply(new Fused(program), inputs)));
  }
}
