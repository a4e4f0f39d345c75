package io.quern.cuda;

import io.quern.Device;
import io.quern.runtime.Knob;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Devices for machines without a GPU: a driver's library that the tests build, whose kernels are
 * the project's sources compiled for the CPU and generated PTX carried out instruction by
 * instruction. Needs g++ on x86-64.
 */
final class StandIn {
  private static final Path SOURCES = Path.of("src/test/cuda");

  private static final Knob LIBRARY = Driver.LIBRARY;

  private StandIn() {}

  /** Whether there is a GPU, or a stand-in could be built, which is used from then on. */
  static boolean isReady() {
    return Holder.READY;
  }

  /** Whether the device is not a GPU. */
  static boolean isUsed() {
    return !LIBRARY.value().isEmpty();
  }

  /** The device of the stand-in whose compute capability is 8.0. */
  static Device withTensorCores() {
    return Device.of("cuda:1");
  }

  /** The device of the stand-in whose compute capability is 9.0. */
  static Device withTiles() {
    return Device.of("cuda:2");
  }

  private static final class Holder {
    static final boolean READY = prepare();
  }

  private static boolean prepare() {
    if (LIBRARY.value().isEmpty() && Files.isDirectory(SOURCES)) {
      Path built = Path.of("target/stand-in").toAbsolutePath();
      if (hasCompiler()) {
        build(built);
        System.setProperty(LIBRARY.name(), built.resolve("libcuda.so.1").toString());
      }
    }
    return Driver.get().problem().isEmpty();
  }

  /** Fibers are switched in the machine code of this architecture. */
  private static boolean hasCompiler() {
    return System.getProperty("os.arch").equals("amd64") && Files.exists(Path.of("/usr/bin/g++"));
  }

  private static void build(Path directory) {
    try {
      Process process =
          new ProcessBuilder(SOURCES.resolve("build").toString(), directory.toString())
              .redirectErrorStream(true)
              .start();
      String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      if (process.waitFor() != 0) {
        throw new IllegalStateException("the stand-in does not build:\n" + output);
      }
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(e);
    }
  }
}
