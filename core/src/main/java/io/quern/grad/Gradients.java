package io.quern.grad;

import io.quern.Tensor;
import java.util.Collection;
import java.util.IdentityHashMap;
import java.util.Optional;

/** The gradients that one backward pass has found, by the tensor they belong to. */
public final class Gradients implements AutoCloseable {
  private final IdentityHashMap<Tensor, Tensor> byTensor;

  Gradients(IdentityHashMap<Tensor, Tensor> byTensor) {
    this.byTensor = byTensor;
  }

  /** Gradients that were computed elsewhere, in the order of {@code tensors}. */
  public static Gradients of(Collection<Tensor> tensors, Collection<Tensor> gradients) {
    if (tensors.size() != gradients.size()) {
      throw new IllegalArgumentException(
          "gradients: " + tensors.size() + " tensors, " + gradients.size() + " gradients");
    }
    IdentityHashMap<Tensor, Tensor> map = new IdentityHashMap<>();
    var gradient = gradients.iterator();
    for (Tensor tensor : tensors) {
      map.put(tensor, gradient.next());
    }
    return new Gradients(map);
  }

  /** The gradient for {@code tensor}, of its dtype and shape, if the result depends on it. */
  public Optional<Tensor> find(Tensor tensor) {
    return Optional.ofNullable(byTensor.get(tensor));
  }

  /**
   * The gradient for {@code tensor}.
   *
   * @throws IllegalArgumentException if the result does not depend on it, or requireGrad() was not
   *     called before it was used
   */
  public Tensor get(Tensor tensor) {
    return find(tensor)
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "gradients: none for tensor "
                        + tensor.spec()
                        + "; was requireGrad() called, and does the result depend on it?"));
  }

  /** Closes all gradients. */
  @Override
  public void close() {
    byTensor.values().forEach(Tensor::close);
  }
}
