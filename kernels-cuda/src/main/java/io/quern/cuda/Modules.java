package io.quern.cuda;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
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

  /** A function of the module {@code file}, one of the project's CUDA sources. */
  synchronized long function(String file, String name) {
    return functions.computeIfAbsent(
        file + "/" + name,
        key -> gpu.function(modules.computeIfAbsent(file, f -> gpu.load(resource(f))), name));
  }

  /** A function of a generated module. */
  synchronized long generated(String ptx, String name) {
    return functions.computeIfAbsent(
        ptx + name, key -> gpu.function(modules.computeIfAbsent(ptx, gpu::load), name));
  }

  private static String resource(String file) {
    try (InputStream in = Modules.class.getResourceAsStream(file + ".ptx")) {
      if (in == null) {
        throw new IllegalStateException("cuda: " + file + ".ptx is missing from the jar");
      }
      return new String(in.readAllBytes(), StandardCharsets.US_ASCII);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
