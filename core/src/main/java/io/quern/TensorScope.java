package io.quern;

import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Closes, when it is closed itself, the tensors that its thread has made meanwhile, but for those
 * that were kept. It makes release of memory prompt; forgetting it is harmless.
 *
 * <p>Scopes nest. A scope belongs to the thread that opened it.
 *
 * {@snippet :
 * Tensor probabilities;
 * try (TensorScope scope = TensorScope.open()) {
 *   probabilities = scope.keep(model.forward(images).softmax(1));
 * }
 * }
 */
public final class TensorScope implements AutoCloseable {
  private static final ThreadLocal<@Nullable TensorScope> CURRENT = new ThreadLocal<>();

  private final Thread owner = Thread.currentThread();
  private final @Nullable TensorScope parent;
  private final @Nullable String label;
  private final List<Tensor> tensors = new ArrayList<>();
  private final IdentityHashMap<Tensor, Boolean> kept = new IdentityHashMap<>();
  private boolean closed;

  private TensorScope(@Nullable TensorScope parent, @Nullable String label) {
    this.parent = parent;
    this.label = label;
  }

  /** Opens a scope for tensors made by the calling thread from now on. */
  public static TensorScope open() {
    return open(null);
  }

  /**
   * Opens a scope that is called {@code label} in messages about use after close; that is cheaper
   * than finding the line of code that closed it.
   */
  public static TensorScope open(@Nullable String label) {
    TensorScope scope = new TensorScope(CURRENT.get(), label);
    CURRENT.set(scope);
    return scope;
  }

  /** Hands {@code tensor} to the enclosing scope, or to the garbage collector without one. */
  public Tensor keep(Tensor tensor) {
    check("keep");
    kept.put(tensor, true);
    return tensor;
  }

  static void register(Tensor tensor) {
    TensorScope scope = CURRENT.get();
    if (scope != null) {
      scope.tensors.add(tensor);
    }
  }

  private void check(String what) {
    if (closed || Thread.currentThread() != owner) {
      throw new IllegalStateException(
          "tensor scope: "
              + what
              + (closed
                  ? " after close"
                  : " from another thread than " + owner.getName() + ", which opened it"));
    }
  }

  /**
   * Closes the tensors made since the scope was opened.
   *
   * @throws IllegalStateException if an inner scope is still open, or from another thread
   */
  @Override
  public void close() {
    if (closed) {
      return;
    }
    check("close");
    if (CURRENT.get() != this) {
      throw new IllegalStateException("tensor scope: closed before a scope opened inside of it");
    }
    closed = true;
    if (parent == null) {
      CURRENT.remove();
    } else {
      CURRENT.set(parent);
    }
    String where = label != null ? label + " ended" : Tensor.callSite("a TensorScope closed");
    for (Tensor tensor : tensors) {
      if (!kept.containsKey(tensor)) {
        tensor.close(where);
      } else if (parent != null) {
        parent.tensors.add(tensor);
      }
    }
    tensors.clear();
  }
}
