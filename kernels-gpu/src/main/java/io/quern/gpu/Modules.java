package io.quern.gpu;

import java.util.HashMap;
import java.util.Map;

/** The functions of a GPU, loaded when they are first asked for. Thread-safe. */
final class Modules {
  private final Gpu gpu;
  private final Map<String, Long> modules = new HashMap<>();
  private final Map<String, Long> functions = new HashMap<>();

  Modules(Gpu gpu) {
    this.gpu = gpu;
  }

  /** A function of the module {@code file}, one of the project's sources. */
  synchronized long function(String file, String name) {
    return functions.computeIfAbsent(
        file + "/" + name,
        key -> gpu.function(modules.computeIfAbsent(file, f -> gpu.load(gpu.source(f))), name));
  }

  /** A function of a generated module. */
  synchronized long generated(String text, String name) {
    return functions.computeIfAbsent(
        text + name, key -> gpu.function(modules.computeIfAbsent(text, gpu::load), name));
  }
}
