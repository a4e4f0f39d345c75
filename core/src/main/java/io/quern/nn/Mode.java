package io.quern.nn;

import io.quern.Rng;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Whether a module is used or trained. It is passed with each call instead of being a switch of the
 * module, so that one module can serve and train at the same time. Immutable.
 */
public final class Mode {
  /** Dropout lets everything pass, batch normalisation uses its running statistics. */
  public static final Mode INFERENCE = new Mode(null);

  private final @Nullable Rng rng;

  private Mode(@Nullable Rng rng) {
    this.rng = rng;
  }

  /** Training with random numbers from {@code rng}. */
  public static Mode training(Rng rng) {
    return new Mode(Objects.requireNonNull(rng, "rng"));
  }

  /** Whether this is training. */
  public boolean isTraining() {
    return rng != null;
  }

  /**
   * The source of random numbers for this training.
   *
   * @throws IllegalStateException if this is inference, which is never random
   */
  public Rng rng() {
    if (rng == null) {
      throw new IllegalStateException("mode: inference has no random numbers");
    }
    return rng;
  }

  @Override
  public String toString() {
    return rng == null ? "inference" : "training";
  }
}
