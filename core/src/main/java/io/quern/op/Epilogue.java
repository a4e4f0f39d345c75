package io.quern.op;

import java.util.ArrayList;
import java.util.List;

/**
 * A matrix product or convolution and a chain of elementwise functions on its result, such as bias,
 * activation and residual. Inputs: those of the product, then those of the program but for its
 * first, which is the result of the product; they broadcast to its shape.
 *
 * @param product a {@link MatMul} or {@link Conv2d}
 * @param operands how many of the inputs are the product's
 * @param program the chain; its input 0 is the result of the product
 */
public record Epilogue(Op product, int operands, ScalarProgram program) implements Composite {
  @Override
  public String name() {
    return product.name() + "_epilogue";
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.require(
        product instanceof MatMul || product instanceof Conv2d,
        name(),
        "needs a matmul or a conv2d, found %s",
        product.name());
    OpCheck.inputCount(name(), inputs, operands + program.inputs() - 1);
    TensorSpec result = product.infer(inputs.subList(0, operands)).getFirst();
    List<TensorSpec> chain = new ArrayList<>(List.of(result));
    chain.addAll(inputs.subList(operands, inputs.size()));
    TensorSpec output = new Fused(program).infer(chain).getFirst();
    OpCheck.shape(name(), "the result of the chain", output.shape(), result.shape());
    return List.of(output);
  }

  @Override
  public <T> T decompose(OpBuilder<T> builder, List<T> inputs) {
    List<T> chain = new ArrayList<>();
    chain.add(builder.apply(product, inputs.subList(0, operands)));
    chain.addAll(inputs.subList(operands, inputs.size()));
    return builder.apply(new Fused(program), chain);
  }
}
