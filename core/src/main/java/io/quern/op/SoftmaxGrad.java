package io.quern.op;

import java.util.List;

/**
 * Gradient of {@link Softmax}, or of {@link LogSoftmax} if {@code log}. Inputs: y, the output of
 * that op, and the gradient g of it. With sums along the axis: {@code y (g - sum(g y))}, and {@code
 * g - exp(y) sum(g)} for the logarithm.
 */
public record SoftmaxGrad(int axis, boolean log) implements Composite {
  @Override
  public String name() {
    return log ? "log_softmax_grad" : "softmax_grad";
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.inputCount(name(), inputs, 2);
    OpCheck.sameDType(name(), inputs);
    TensorSpec y = inputs.getFirst();
    OpCheck.floating(name(), y);
    OpCheck.axis(name(), y.shape(), axis);
    OpCheck.shape(name(), "the gradient", inputs.get(1).shape(), y.shape());
    return List.of(y);
  }

  @Override
  public <T> T decompose(OpBuilder<T> builder, List<T> inputs) {
    T y = inputs.get(0);
    T g = inputs.get(1);
    Op sum = new Reduce(Reduce.Fn.SUM, List.of(axis), true);
    Op mul = new Binary(Binary.Fn.MUL);
    Op sub = new Binary(Binary.Fn.SUB);
    if (log) {
      T exp = builder.apply(new Unary(Unary.Fn.EXP), y);
      return builder.apply(sub, g, builder.apply(mul, exp, builder.apply(sum, g)));
    }
    T mean = builder.apply(sum, builder.apply(mul, g, y));
    return builder.apply(mul, y, builder.apply(sub, g, mean));
  }
}
