package io.quern.gpu;

import java.util.HashMap;
import java.util.Map;
import java.util.function.LongSupplier;

/** The functions of a GPU, loaded when they are first asked for. Thread-safe. */
final class Modules {
  private final Gpu gpu;
  private final Map<String, Long> modules = new HashMap<>();
  private final Map<String, Long> functions = new HashMap<>();

  /** Why sources do not load, which takes as long as loading them. */
  private final Map<String, GpuException> refused = new HashMap<>();

  Modules(Gpu gpu) {
    this.gpu = gpu;
  }

  /** A function of the module {@code file}, one of the project's sources; 0 when it has none. */
  synchronized long function(String file, String name) {
    return functions.computeIfAbsent(file + "/" + name, key -> find(file, name));
  }

  private long find(String file, String name) {
    for (String variant : gpu.variants(file)) {
      long found = gpu.function(module(variant, () -> gpu.load(gpu.source(variant))), name);
      if (found != 0) {
        return found;
      }
    }
    return 0;
  }

  /** A function of a generated module. */
  synchronized long generated(String text, String name) {
    return functions.computeIfAbsent(
        text + name, key -> gpu.function(module(text, () -> gpu.loadGenerated(text)), name));
  }

  private long module(String key, LongSupplier load) {
    Long loaded = modules.get(key);
    if (loaded == null) {
      GpuException reason = refused.get(key);
      if (reason != null) {
        throw reason;
      }
      try {
        loaded = load.getAsLong();
      } catch (GpuException e) {
        refused.put(key, e);
        throw e;
      }
      modules.put(key, loaded);
    }
    return loaded;
  }
}
