package io.quern.grad;

import io.quern.Tensor;
import io.quern.TensorScope;
import java.util.Comparator;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.PriorityQueue;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Records ops on tracked tensors and walks back over them. The record hangs on the tensors
 * themselves and disappears with them.
 */
public final class Tape {
  private static final ThreadLocal<Boolean> PAUSED = new ThreadLocal<>();

  private Tape() {}

  /** Whether the calling thread records ops on tracked tensors. */
  public static boolean isRecording() {
    return PAUSED.get() == null;
  }

  /** Runs {@code work} without recording, for inference and for updates of parameters. */
  public static <T> T withoutRecording(Supplier<T> work) {
    if (!isRecording()) {
      return work.get();
    }
    PAUSED.set(true);
    try {
      return work.get();
    } finally {
      PAUSED.remove();
    }
  }

  /** Runs {@code work} with recording on, whatever the caller has set. */
  static <T> T recording(Supplier<T> work) {
    Boolean before = PAUSED.get();
    PAUSED.remove();
    try {
      return work.get();
    } finally {
      if (before != null) {
        PAUSED.set(before);
      }
    }
  }

  /**
   * Gradients of a scalar for all tensors it depends on that asked for them.
   *
   * @throws IllegalArgumentException if {@code result} has more than one element or is not tracked
   * @throws IllegalStateException if a tensor between the result and those was closed
   */
  public static Gradients backward(Tensor result) {
    if (result.size() != 1) {
      throw new IllegalArgumentException(
          "backward: needs a tensor with one element, found shape "
              + result.shape()
              + "; reduce it, or give the gradient of the result");
    }
    try (Tensor one = withoutRecording(() -> result.fullLike(1))) {
      return backward(result, one);
    }
  }

  /** Gradients of {@code sum(result * gradient)}. */
  public static Gradients backward(Tensor result, Tensor gradient) {
    if (!result.isTracked()) {
      throw new IllegalArgumentException(
          "backward: the result does not depend on a tensor with requireGrad()");
    }
    if (!gradient.spec().equals(result.spec())) {
      throw new IllegalArgumentException(
          "backward: the gradient must be " + result.spec() + ", found " + gradient.spec());
    }
    return withoutRecording(() -> walk(result, gradient));
  }

  private static Gradients walk(Tensor result, Tensor gradient) {
    IdentityHashMap<Tensor, Tensor> pending = new IdentityHashMap<>();
    IdentityHashMap<Tensor, Tensor> found = new IdentityHashMap<>();
    IdentityHashMap<GradNode, Boolean> queued = new IdentityHashMap<>();
    PriorityQueue<GradNode> queue =
        new PriorityQueue<>(Comparator.comparingLong(GradNode::order).reversed());
    deliver(result, gradient.detach(), pending, found, queued, queue);
    while (!queue.isEmpty()) {
      GradNode node = queue.remove();
      Tensor[] outputGradients = new Tensor[node.outputs().size()];
      for (int i = 0; i < outputGradients.length; i++) {
        Tensor pendingGradient = pending.remove(node.outputs().get(i));
        outputGradients[i] =
            pendingGradient != null ? pendingGradient : node.outputs().get(i).fullLike(0);
      }
      @Nullable Tensor[] inputGradients = apply(node, outputGradients);
      for (int i = 0; i < inputGradients.length; i++) {
        Tensor inputGradient = inputGradients[i];
        if (inputGradient != null && node.needs(i)) {
          deliver(node.inputs().get(i), inputGradient, pending, found, queued, queue);
        } else if (inputGradient != null) {
          inputGradient.close();
        }
      }
      for (int i = 0; i < outputGradients.length; i++) {
        if (found.get(node.outputs().get(i)) != outputGradients[i]) {
          outputGradients[i].close();
        }
      }
    }
    return new Gradients(found);
  }

  /** Applies the rule in a scope, so that its temporaries go at once. */
  private static @Nullable Tensor[] apply(GradNode node, Tensor[] outputGradients) {
    try (TensorScope scope = TensorScope.open("a step of backward()")) {
      List<@Nullable Tensor> gradients = GradRules.apply(node, List.of(outputGradients));
      @Nullable Tensor[] kept = new Tensor[gradients.size()];
      for (int i = 0; i < kept.length; i++) {
        Tensor gradient = gradients.get(i);
        // A rule may hand the same tensor to several inputs, or pass on what it was given.
        kept[i] = gradient == null ? null : scope.keep(gradient.detach());
      }
      return kept;
    }
  }

  /** Adds a contribution to the gradient of a tensor and queues the op that made it. */
  private static void deliver(
      Tensor tensor,
      Tensor gradient,
      IdentityHashMap<Tensor, Tensor> pending,
      IdentityHashMap<Tensor, Tensor> found,
      IdentityHashMap<GradNode, Boolean> queued,
      PriorityQueue<GradNode> queue) {
    if (!gradient.spec().equals(tensor.spec())) {
      throw new IllegalStateException(
          "backward: gradient " + gradient.spec() + " for tensor " + tensor.spec());
    }
    GradNode node = tensor.gradNode();
    if (node == null && !tensor.requiresGrad()) {
      throw new IllegalStateException(
          "backward: the way to the inputs is cut at " + tensor + "; close it after backward()");
    }
    Tensor before = pending.get(tensor);
    Tensor sum = gradient;
    if (before != null) {
      sum = before.add(gradient);
      before.close();
      gradient.close();
    }
    pending.put(tensor, sum);
    if (tensor.requiresGrad()) {
      found.put(tensor, sum);
    }
    if (node != null && queued.put(node, true) == null) {
      queue.add(node);
    }
  }
}
