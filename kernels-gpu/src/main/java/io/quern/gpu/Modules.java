package io.quern.gpu;

import java.util.HashMap;
import java.util.Map;
import java.util.function.LongSupplier;

/** The functions of a GPU, loaded when they are first asked for. Thread-safe. */
final class Modules {
  private final Gpu gpu;
  private final Map<String, Long> modules = new HashMap<>();
  private final Map<String, Long> functions = new HashMap<>();

  /** Why sources or functions do not load, which takes as long as loading them. */
  private final Map<String, GpuException> refused = new HashMap<>();

  Modules(Gpu gpu) {
    this.gpu = gpu;
  }

  /** A function of the module {@code file}, one of the project's sources; 0 when it has none. */
  synchronized long function(String file, String name) {
    return once(functions, file + "/" + name, () -> find(file, name));
  }

  private long find(String file, String name) {
    for (String variant : gpu.variants(file)) {
      long module = once(modules, variant, () -> gpu.load(gpu.source(variant)));
      long found = gpu.function(module, name);
      if (found != 0) {
        return found;
      }
    }
    return 0;
  }

  /** A function of a generated module. */
  synchronized long generated(String text, String name) {
    long module = once(modules, text, () -> gpu.loadGenerated(text));
    return once(functions, text + name, () -> gpu.function(module, name));
  }

  private long once(Map<String, Long> known, String key, LongSupplier load) {
    Long loaded = known.get(key);
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
      known.put(key, loaded);
    }
    return loaded;
  }
}
