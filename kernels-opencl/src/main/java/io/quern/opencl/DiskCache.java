package io.quern.opencl;

import io.quern.runtime.Knob;
import io.quern.runtime.Log;
import java.io.IOException;
import java.lang.System.Logger.Level;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Optional;

/** Files that later processes are faster with. What cannot be read or written is as if absent. */
final class DiskCache {
  private static final Knob DIRECTORY =
      Knob.of(
          "quern.opencl.cache",
          defaultDirectory(),
          "directory for built OpenCL programs and the results of tuning; off for none");

  private DiskCache() {}

  private static String defaultDirectory() {
    String base = System.getenv("XDG_CACHE_HOME");
    Path home = Path.of(System.getProperty("user.home"), ".cache");
    return (base == null || base.isEmpty() ? home : Path.of(base)).resolve("quern").toString();
  }

  static Optional<byte[]> get(String key) {
    Path file = file(key);
    try {
      return isOff() || !Files.exists(file)
          ? Optional.empty()
          : Optional.of(Files.readAllBytes(file));
    } catch (IOException e) {
      Log.get().log(Level.DEBUG, "opencl: the cache cannot be read", e);
      return Optional.empty();
    }
  }

  static void put(String key, byte[] bytes) {
    if (isOff()) {
      return;
    }
    Path file = file(key);
    try {
      Files.createDirectories(file.getParent());
      Path fresh = Files.createTempFile(file.getParent(), "new", null);
      Files.write(fresh, bytes);
      Files.move(fresh, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException e) {
      Log.get().log(Level.DEBUG, "opencl: the cache cannot be written", e);
    }
  }

  private static boolean isOff() {
    return DIRECTORY.value().equals("off");
  }

  private static Path file(String key) {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      byte[] hash = digest.digest(key.getBytes(StandardCharsets.UTF_8));
      return Path.of(DIRECTORY.value(), "opencl-" + HexFormat.of().formatHex(hash, 0, 16));
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError(e);
    }
  }
}
