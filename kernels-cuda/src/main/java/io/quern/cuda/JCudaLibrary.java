package io.quern.cuda;

import io.quern.runtime.Log;
import java.io.IOException;
import java.io.InputStream;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import jcuda.JCudaVersion;
import jcuda.LibUtils;

/**
 * The file of JCuda's native library. JCuda writes it where it is missing, while other processes
 * may find half of it: the JVM of one that maps the rest crashes. Here it appears as a whole.
 */
final class JCudaLibrary {
  private static final String NAME =
      LibUtils.createLibraryFileName(
          LibUtils.createPlatformLibraryName("JCudaDriver-" + JCudaVersion.get()));

  private JCudaLibrary() {}

  /** Puts the library where JCuda looks for it, unless it is there. */
  static void install() {
    try {
      install(Path.of(System.getProperty("java.io.tmpdir")));
    } catch (IOException e) {
      // JCuda tries itself, and tells what it cannot do.
      Log.get().log(Level.DEBUG, "JCuda's library was not written", e);
    }
  }

  /** Puts the library into a directory; gives its path. */
  static Path install(Path directory) throws IOException {
    Path file = directory.resolve(NAME);
    try (InputStream in = LibUtils.class.getResourceAsStream("/lib/" + NAME)) {
      if (in == null) {
        return file; // JCuda has it from elsewhere
      }
      byte[] library = in.readAllBytes();
      if (!Files.exists(file) || Files.size(file) != library.length) {
        replace(file, library);
      }
    }
    return file;
  }

  private static void replace(Path file, byte[] library) throws IOException {
    Path part = Files.createTempFile(file.getParent(), NAME, ".part");
    try {
      Files.write(part, library);
      if (part.getFileSystem().supportedFileAttributeViews().contains("posix")) {
        // Other users find it too.
        Files.setPosixFilePermissions(part, PosixFilePermissions.fromString("rw-r--r--"));
      }
      Files.move(part, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } finally {
      Files.deleteIfExists(part);
    }
  }
}
