package io.quern;

import java.lang.ref.WeakReference;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Objects;
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
  private static final ThreadLocal<@Nullable Frame> CURRENT = new ThreadLocal<>();

  /** Tensors that are registered before the closed ones among them are dropped. */
  private static final int ROOM = 256;

  private final Thread owner = Thread.currentThread();
  private final @Nullable TensorScope parent;
  private final @Nullable String label;
  private final List<Tensor> tensors = new ArrayList<>();
  private final IdentityHashMap<Tensor, Boolean> kept = new IdentityHashMap<>();
  private int room = ROOM;
  private boolean closed;

  /** An open scope of a thread; weak, so that a forgotten one does not collect tensors for ever. */
  private record Frame(WeakReference<TensorScope> scope, @Nullable Frame outer) {}

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
    TensorScope scope = new TensorScope(current(), label);
    CURRENT.set(new Frame(new WeakReference<>(scope), CURRENT.get()));
    return scope;
  }

  private static @Nullable TensorScope current() {
    Frame frame = CURRENT.get();
    TensorScope scope = null;
    while (frame != null && (scope = frame.scope().get()) == null) {
      leave(frame);
      frame = frame.outer();
    }
    return scope;
  }

  private static void leave(Frame frame) {
    if (frame.outer() == null) {
      CURRENT.remove();
    } else {
      CURRENT.set(frame.outer());
    }
  }

  /** Hands {@code tensor} to the enclosing scope, or to the garbage collector without one. */
  public Tensor keep(Tensor tensor) {
    check("keep");
    kept.put(tensor, true);
    return tensor;
  }

  static void register(Tensor tensor) {
    TensorScope scope = current();
    if (scope != null) {
      scope.add(tensor);
    }
  }

  private void add(Tensor tensor) {
    if (tensors.size() >= room) {
      tensors.removeIf(Tensor::isClosed);
      kept.keySet().removeIf(Tensor::isClosed);
      room = Math.max(ROOM, 2 * tensors.size());
    }
    tensors.add(tensor);
  }

  /** Tensors that this scope refers to. */
  int size() {
    return tensors.size();
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
    if (current() != this) {
      throw new IllegalStateException("tensor scope: closed before a scope opened inside of it");
    }
    closed = true;
    leave(Objects.requireNonNull(CURRENT.get()));
    String where = label != null ? label + " ended" : Tensor.callSite("a TensorScope closed");
    for (Tensor tensor : tensors) {
      if (!kept.containsKey(tensor)) {
        tensor.close(where);
      } else if (parent != null) {
        parent.add(tensor);
      }
    }
    tensors.clear();
    kept.clear();
  }
}
