package io.quern.nn;

import io.quern.DType;
import io.quern.Device;
import io.quern.Tensor;
import io.quern.TensorScope;
import io.quern.grad.Tape;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.function.BiConsumer;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * A function of a tensor with weights that can be trained. Modules nest; the weights of a whole
 * model have dotted names such as {@code features.conv1.weight}.
 *
 * <p>Subclasses register weights and inner modules in their constructor:
 *
 * {@snippet :
 * final class Scaled extends Module {
 *   private final Linear inner;
 *   private final Weight scale;
 *
 *   Scaled(Rng rng) {
 *     inner = child("inner", Linear.of(8, 8, rng));
 *     scale = parameter("scale", Tensor.ones(8));
 *   }
 *
 *   @Override
 *   public Tensor forward(Tensor input, Mode mode) {
 *     return inner.forward(input, mode).mul(mode.cast(scale.value()));
 *   }
 * }
 * }
 *
 * <p>A module has no state but its weights. Any number of threads may call it; while one of them
 * trains it, the others may see weights of which some are updated already.
 */
public abstract class Module {
  private final Map<String, Weight> weights = new LinkedHashMap<>();
  private final Map<String, Module> children = new LinkedHashMap<>();

  /** A module without weights. */
  protected Module() {}

  /**
   * Computes the output. Compiled functions and training steps call it once for each shape, and
   * repeat what it did with tensors.
   *
   * @param input the input, with the batch as its first dimension
   * @param mode whether this is inference or training, and with which random numbers
   * @throws IllegalArgumentException if the input does not fit; the message starts with the op
   */
  public abstract Tensor forward(Tensor input, Mode mode);

  /**
   * Computes the output for inference: nothing is recorded for gradients, and what is not part of
   * the output is released at once.
   */
  public final Tensor forward(Tensor input) {
    return Tape.withoutRecording(
        () -> {
          try (TensorScope scope = TensorScope.open("an inference")) {
            return scope.keep(forward(input, Mode.INFERENCE));
          }
        });
  }

  // ---- registration -----------------------------------------------------------------------

  /** Registers a tensor that is trained. */
  protected final Weight parameter(String name, Tensor initial) {
    return register(name, new Weight(initial, true));
  }

  /** Registers a tensor that is saved with the module but not trained by gradients. */
  protected final Weight buffer(String name, Tensor initial) {
    return register(name, new Weight(initial, false));
  }

  private Weight register(String name, Weight weight) {
    checkName(name);
    weights.put(name, weight);
    return weight;
  }

  /** Registers an inner module; its weights get names that begin with {@code name.}. */
  @SuppressWarnings("ReferenceEquality") // a module is equal to itself only
  protected final <M extends Module> M child(String name, M module) {
    checkName(name);
    if (module == this) {
      throw new IllegalArgumentException("module: " + name + " must not be the module itself");
    }
    children.put(name, module);
    return module;
  }

  private void checkName(String name) {
    if (name.isEmpty() || name.contains(".")) {
      throw new IllegalArgumentException(
          "module: names must not be empty or contain dots, found '" + name + "'");
    }
    if (weights.containsKey(name) || children.containsKey(name)) {
      throw new IllegalArgumentException("module: the name '" + name + "' is taken already");
    }
  }

  // ---- what there is ----------------------------------------------------------------------

  /**
   * The tensors to train by name, in the order of registration, this module's own before those of
   * inner modules. A weight that appears several times is listed under its first name.
   */
  public final Map<String, Tensor> parameters() {
    return tensors(true);
  }

  /** The tensors that are saved but not trained, such as running statistics, by name. */
  public final Map<String, Tensor> buffers() {
    return tensors(false);
  }

  private Map<String, Tensor> tensors(boolean trainable) {
    Map<String, Tensor> result = new LinkedHashMap<>();
    weights()
        .forEach(
            (name, weight) -> {
              if (weight.isTrainable() == trainable) {
                result.put(name, weight.value());
              }
            });
    return Collections.unmodifiableMap(result);
  }

  /** Number of elements that are trained. */
  public final long parameterCount() {
    return parameters().values().stream().mapToLong(Tensor::size).sum();
  }

  /** The inner modules by name, in the order of registration. */
  public final Map<String, Module> children() {
    return Collections.unmodifiableMap(children);
  }

  /** All weights by full name, each once. */
  final Map<String, Weight> weights() {
    Map<String, Weight> result = new LinkedHashMap<>();
    Set<Weight> seen = Collections.newSetFromMap(new IdentityHashMap<>());
    visit(
        "",
        (name, weight) -> {
          if (seen.add(weight)) {
            result.put(name, weight);
          }
        });
    return result;
  }

  private void visit(String prefix, BiConsumer<String, Weight> visitor) {
    weights.forEach((name, weight) -> visitor.accept(prefix + name, weight));
    children.forEach((name, module) -> module.visit(prefix + name + ".", visitor));
  }

  // ---- changing all weights ---------------------------------------------------------------

  /**
   * Moves all weights to a device; returns this module. The tensors are new ones: make optimisers
   * afterwards, and do not call it while others use the module.
   */
  public final Module to(Device device) {
    return replaceAll(tensor -> tensor.to(device));
  }

  /**
   * Converts all weights of float dtypes to another float dtype; returns this module. The tensors
   * are new ones: make optimisers afterwards, and do not call it while others use the module.
   */
  public final Module to(DType dtype) {
    if (!dtype.isFloat()) {
      throw new IllegalArgumentException("module: weights need a float dtype, found " + dtype);
    }
    return replaceAll(tensor -> tensor.dtype().isFloat() ? tensor.to(dtype) : tensor);
  }

  private Module replaceAll(UnaryOperator<Tensor> change) {
    for (Weight weight : weights().values()) {
      weight.replace(Tape.withoutRecording(() -> change.apply(weight.value())));
    }
    return this;
  }

  // ---- description ------------------------------------------------------------------------

  /** What is needed to build this module again, or null when it is not one of this package. */
  @Nullable LayerSpec spec() {
    return null;
  }

  /** The structure, one line per module. */
  @Override
  public String toString() {
    StringBuilder text = new StringBuilder();
    print(text, "");
    return text.toString();
  }

  private void print(StringBuilder text, String indent) {
    LayerSpec spec = spec();
    text.append(spec == null ? getClass().getSimpleName() : spec.title());
    children.forEach(
        (name, module) -> {
          text.append('\n').append(indent).append("  ").append(name).append(": ");
          module.print(text, indent + "  ");
        });
  }
}
