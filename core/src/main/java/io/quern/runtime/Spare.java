package io.quern.runtime;

import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Keeps objects that calls need for their time, so that a warm kernel allocates none. Whoever takes
 * one owns it until it is given back; one that is not given back is made anew. Thread-safe.
 */
public final class Spare<T> {
  private static final int KEPT = 16;

  private final AtomicReferenceArray<@Nullable T> kept = new AtomicReferenceArray<>(KEPT);
  private final Supplier<T> maker;

  /** Objects that {@code maker} makes when none is left. */
  public Spare(Supplier<T> maker) {
    this.maker = maker;
  }

  /** An object that nobody else uses. */
  public T take() {
    for (int i = 0; i < KEPT; i++) {
      T one = kept.get(i) == null ? null : kept.getAndSet(i, null);
      if (one != null) {
        return one;
      }
    }
    return maker.get();
  }

  /** Gives an object back; it is dropped when there are many already. */
  public void give(T one) {
    for (int i = 0; i < KEPT; i++) {
      if (kept.get(i) == null && kept.compareAndSet(i, null, one)) {
        return;
      }
    }
  }
}
