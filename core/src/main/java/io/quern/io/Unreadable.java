package io.quern.io;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** What is said of a file that cannot be read. */
public final class Unreadable {
  private Unreadable() {}

  /** An exception that names the file, the reason and what to do. */
  public static UncheckedIOException file(Path path, IOException cause) {
    return new UncheckedIOException(
        path
            + (Files.isDirectory(path)
                ? ": is a directory; name the file in it"
                : ": cannot be read (" + cause + "); check the path and its permissions"),
        cause);
  }
}
