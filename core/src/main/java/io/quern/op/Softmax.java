package io.quern.op;

import java.util.List;

/** {@code exp(x - max) / sum(exp(x - max))} along one axis. */
public record Softmax(int axis) implements Composite {
  @Override
  public String name() {
    return "softmax";
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.inputCount(name(), inputs, 1);
    OpCheck.floating(name(), inputs.getFirst());
    OpCheck.axis(name(), inputs.getFirst().shape(), axis);
    return inputs;
  }

  @Override
  public <T> T decompose(OpBuilder<T> builder, List<T> inputs) {
    T x = inputs.getFirst();
    T max = builder.apply(new Reduce(Reduce.Fn.MAX, List.of(axis), true), x);
    T exp =
        builder.apply(new Unary(Unary.Fn.EXP), builder.apply(new Binary(Binary.Fn.SUB), x, max));
    T sum = builder.apply(new Reduce(Reduce.Fn.SUM, List.of(axis), true), exp);
    return builder.apply(new Binary(Binary.Fn.DIV), exp, sum);
  }
}
