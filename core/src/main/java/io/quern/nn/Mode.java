package io.quern.nn;

import io.quern.DType;
import io.quern.Rng;
import io.quern.Tensor;
import java.util.Objects;
import java.util.Optional;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * Whether a module is used or trained, and in which precision. It is passed with each call instead
 * of being a switch of the module, so that one module can serve and train at the same time.
 * Immutable.
 *
 * <p>Without a precision, layers compute in the dtype of their weights, which their input must
 * have. With one, such as {@code Mode.training(rng).precision(DType.BF16)}, the precision is mixed
 * (Micikevicius et al. 2018):
 *
 * <ul>
 *   <li>Linear layers, convolutions and attention round input and weights to it, multiply, and give
 *       a result of it; embeddings round what they look up, residual connections what they add.
 *   <li>Normalisations compute in the dtype of their weights, running statistics included, and give
 *       a result of the dtype of their input.
 *   <li>Other layers compute in the dtype of their input.
 * </ul>
 *
 * <p>Weights keep their dtype, and their gradients have it.
 */
public final class Mode {
  /** Dropout lets everything pass, batch normalisation uses its running statistics. */
  public static final Mode INFERENCE = new Mode(null, null);

  private final @Nullable Rng rng;
  private final @Nullable DType precision;

  private Mode(@Nullable Rng rng, @Nullable DType precision) {
    this.rng = rng;
    this.precision = precision;
  }

  /** Training with random numbers from {@code rng}. */
  public static Mode training(Rng rng) {
    return new Mode(Objects.requireNonNull(rng, "rng"), null);
  }

  /**
   * This mode with layers that multiply in {@code dtype}. BF16 has the range of F32; in F16,
   * gradients below 6e-8 become 0.
   *
   * @throws IllegalArgumentException if it is not BF16, F16 or F32
   */
  public Mode precision(DType dtype) {
    Check.require(
        dtype == DType.BF16 || dtype == DType.F16 || dtype == DType.F32,
        "mode",
        "the precision must be BF16, F16 or F32, found " + dtype);
    return new Mode(rng, dtype);
  }

  /** The dtype that layers multiply in, if it is not that of their weights. */
  public Optional<DType> precision() {
    return Optional.ofNullable(precision);
  }

  /**
   * A tensor of a float dtype in the precision of this mode, for modules that multiply by weights
   * of their own. The tensor itself if there is no precision, if it has that dtype, or if it is not
   * of a float dtype.
   */
  public Tensor cast(Tensor tensor) {
    return precision == null || !tensor.dtype().isFloat() ? tensor : tensor.to(precision);
  }

  /** Normalises in the dtype of {@code weight}; with a precision, inputs may have another. */
  Tensor normalise(Tensor input, Weight weight, UnaryOperator<Tensor> function) {
    return precision == null
        ? function.apply(input)
        : function.apply(input.to(weight.value().dtype())).to(input.dtype());
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
    return (rng == null ? "inference" : "training") + (precision == null ? "" : " in " + precision);
  }
}
