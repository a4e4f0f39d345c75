package io.quern;

import io.quern.op.TensorSpec;
import io.quern.plan.Compiled;
import java.util.Collections;
import java.util.List;
import java.util.function.Function;
import java.util.function.UnaryOperator;

/** Where to start: compiled functions. */
public final class Quern {
  private Quern() {}

  /**
   * Compiles a function of one tensor for the CPU.
   *
   * {@snippet :
   * Compiled model = Quern.compile(x -> net.forward(x), new TensorSpec(DType.F32, Shape.of(1, 784)));
   * Tensor logits = model.run(image);
   * }
   *
   * @see #compile(Device, Function, List)
   */
  public static Compiled compile(UnaryOperator<Tensor> function, TensorSpec input) {
    return compile(
        Device.cpu(),
        inputs -> Collections.singletonList(function.apply(inputs.getFirst())),
        List.of(input));
  }

  /**
   * Compiles a function of tensors for a device. The function is called once per combination of
   * shapes, with tensors that have no values; the ops it applies are simplified, fused, given
   * kernels and memory, and run from then on without calling it. Tensors that it refers to, such as
   * weights, are read in every run; changes to them take effect. Random numbers are drawn anew.
   *
   * @throws IllegalStateException if the function asks for the elements of a tensor
   * @throws IllegalArgumentException if it uses tensors of another device
   */
  public static Compiled compile(
      Device device, Function<List<Tensor>, List<Tensor>> function, List<TensorSpec> inputs) {
    return new Compiled(device, function, inputs);
  }
}
