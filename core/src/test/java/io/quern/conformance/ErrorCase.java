package io.quern.conformance;

import io.quern.Device;
import io.quern.Tensor;
import io.quern.TensorScope;
import io.quern.op.Op;
import java.util.List;
import java.util.SplittableRandom;

/**
 * An op with inputs that it refuses.
 *
 * @param message part of the message that the caller gets
 */
public record ErrorCase(
    String name,
    Op op,
    List<Input> inputs,
    Class<? extends RuntimeException> type,
    String message) {

  /** Applies the op and throws an error unless it is refused as expected. */
  public void run(Device device) {
    try (var _ = TensorScope.open()) {
      SplittableRandom random = new SplittableRandom(3);
      Tensor[] tensors =
          inputs.stream()
              .map(input -> TensorCheck.tensor(input.draw(random), device))
              .toArray(Tensor[]::new);
      Tensor result;
      try {
        result = Tensor.apply(op, device, tensors);
      } catch (RuntimeException e) {
        if (!type.isInstance(e) || !String.valueOf(e.getMessage()).contains(message)) {
          throw new AssertionError(
              name + ": expected " + type.getSimpleName() + " with \"" + message + "\", found " + e,
              e);
        }
        return;
      }
      throw new AssertionError(name + ": gives " + result.spec() + " instead of an error");
    }
  }

  @Override
  public String toString() {
    return name;
  }
}
