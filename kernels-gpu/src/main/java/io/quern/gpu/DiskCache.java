package io.quern.gpu;

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

/**
 * Files of a backend that later processes are faster with. What cannot be read or written is as if
 * absent. Thread-safe.
 */
public final class DiskCache {
  private static final String OFF = "off";

  private final String backend;
  private final Knob directory;

  /**
   * Declares the knob {@code quern.BACKEND.cache}.
   *
   * @param backend what names of files begin with
   * @param contents what the files are, for the description of the knob
   */
  public DiskCache(String backend, String contents) {
    this.backend = backend;
    this.directory =
        Knob.of(
            "quern." + backend + ".cache",
            defaultDirectory(),
            "directory for " + contents + "; off for none");
  }

  private static String defaultDirectory() {
    String base = System.getenv("XDG_CACHE_HOME");
    Path home = Path.of(System.getProperty("user.home"), ".cache");
    Path caches = base == null || base.isEmpty() ? home : Path.of(base);
    return caches.isAbsolute() ? caches.resolve("quern").toString() : OFF; // users without a home
  }

  /** Whether there are no files, by the user's wish. */
  public boolean isOff() {
    return directory.value().equals(OFF);
  }

  /** What was stored for a key. */
  public Optional<byte[]> get(String key) {
    Path file = file(key);
    try {
      return isOff() || !Files.exists(file)
          ? Optional.empty()
          : Optional.of(Files.readAllBytes(file));
    } catch (IOException e) {
      Log.get().log(Level.DEBUG, backend + ": the cache cannot be read", e);
      return Optional.empty();
    }
  }

  /** Stores bytes for a key in place of what there was; others see all of them or none. */
  public void put(String key, byte[] bytes) {
    if (isOff()) {
      return;
    }
    Path file = file(key);
    try {
      Files.createDirectories(file.getParent());
      Path fresh = Files.createTempFile(file.getParent(), "new", null);
      try {
        Files.write(fresh, bytes);
        Files.move(
            fresh, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
      } finally {
        Files.deleteIfExists(fresh);
      }
    } catch (IOException e) {
      Log.get().log(Level.DEBUG, backend + ": the cache cannot be written", e);
    }
  }

  private Path file(String key) {
    byte[] hash = sha256().digest(key.getBytes(StandardCharsets.UTF_8));
    return Path.of(directory.value(), backend + "-" + HexFormat.of().formatHex(hash, 0, 16));
  }

  /** A new digest of the kind that names of files are made with. */
  public static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError(e);
    }
  }
}
