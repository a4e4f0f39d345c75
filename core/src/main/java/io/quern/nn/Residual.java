package io.quern.nn;

import io.quern.Tensor;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * {@code body(x) + x}, or {@code body(x) + shortcut(x)} (He et al. 2016). The inner modules are
 * named {@code body} and {@code shortcut}.
 */
public final class Residual extends Module {
  private final Module body;
  private final @Nullable Module shortcut;

  private Residual(Module body, @Nullable Module shortcut) {
    this.body = child("body", body);
    this.shortcut = shortcut == null ? null : child("shortcut", shortcut);
  }

  /** Adds the input to the output of {@code body}. */
  public static Residual of(Module body) {
    return new Residual(body, null);
  }

  /** Adds the output of {@code shortcut} to that of {@code body}. */
  public static Residual of(Module body, Module shortcut) {
    return new Residual(body, shortcut);
  }

  static Residual of(Map<String, Module> inner) {
    Module body = inner.get("body");
    Check.require(
        body != null
            && inner.keySet().stream().allMatch(n -> n.equals("body") || n.equals("shortcut")),
        "residual",
        "needs the modules body and perhaps shortcut, found " + inner.keySet());
    return new Residual(body, inner.get("shortcut"));
  }

  @Override
  LayerSpec spec() {
    return new LayerSpec("Residual", Map.of(), children());
  }

  @Override
  public Tensor forward(Tensor input, Mode mode) {
    Tensor through = body.forward(input, mode);
    Tensor beside = shortcut == null ? input : shortcut.forward(input, mode);
    if (!through.shape().equals(beside.shape())) {
      throw new IllegalArgumentException(
          "residual: the body gives "
              + through.shape()
              + ", the shortcut "
              + beside.shape()
              + "; give a shortcut that changes the shape alike");
    }
    return mode.cast(through).add(mode.cast(beside));
  }
}
