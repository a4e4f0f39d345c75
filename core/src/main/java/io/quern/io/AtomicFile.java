package io.quern.io;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.HexFormat;
import java.util.concurrent.ThreadLocalRandom;

/**
 * Replaces a file in one step. The content is written to a temporary file beside the target, forced
 * to the disk and renamed over the target; then the directory is forced too. At every moment, even
 * after a crash or a power cut, the target's name leads to the complete old or the complete new
 * content. When writing fails, the temporary file is deleted and the old file stays as it was.
 *
 * <p>A crash may leave a file {@code .NAME.*.tmp} behind, which is safe to delete.
 */
public final class AtomicFile {
  private AtomicFile() {}

  /** Writes the content of a file. */
  @FunctionalInterface
  public interface Content {
    /** Writes everything to the channel, which the caller opens, forces and closes. */
    void writeTo(FileChannel channel) throws IOException;
  }

  /**
   * Replaces or creates {@code target}. A symbolic link keeps pointing to the file that is
   * replaced.
   *
   * @throws UncheckedIOException if the content cannot be written, for example because the disk is
   *     full or the directory does not exist; the message names the target
   */
  public static void write(Path target, Content content) {
    try {
      Path file = Files.exists(target) ? target.toRealPath() : target.toAbsolutePath();
      Path directory = file.getParent();
      if (directory == null || file.getFileName() == null) {
        throw new IOException("not the name of a file");
      }
      Path aside = directory.resolve(temporaryName(file));
      try {
        writeAside(aside, content);
        Files.move(aside, file, StandardCopyOption.ATOMIC_MOVE);
      } finally {
        Files.deleteIfExists(aside);
      }
      forceDirectory(directory);
    } catch (AtomicMoveNotSupportedException e) {
      throw failure(target, "the file system cannot rename atomically, choose another one", e);
    } catch (IOException e) {
      throw failure(target, "check that the directory exists and has room", e);
    }
  }

  private static UncheckedIOException failure(Path target, String remedy, IOException cause) {
    return new UncheckedIOException(
        target
            + ": cannot be written ("
            + reason(cause)
            + "), the old content is unchanged; "
            + remedy,
        cause);
  }

  private static String reason(IOException cause) {
    String kind = cause.getClass().getSimpleName();
    return cause.getMessage() == null ? kind : kind + ": " + cause.getMessage();
  }

  private static String temporaryName(Path file) {
    String unique = HexFormat.of().toHexDigits(ThreadLocalRandom.current().nextLong());
    return "." + file.getFileName() + "." + unique + ".tmp";
  }

  private static void writeAside(Path aside, Content content) throws IOException {
    try (FileChannel channel =
        FileChannel.open(aside, StandardOpenOption.WRITE, StandardOpenOption.CREATE_NEW)) {
      content.writeTo(channel);
      channel.force(true);
    }
  }

  /** Makes the rename durable; not every system can open a directory, and then it is no loss. */
  private static void forceDirectory(Path directory) {
    try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
      channel.force(true);
    } catch (IOException e) {
      System.getLogger("io.quern")
          .log(System.Logger.Level.DEBUG, "cannot force directory " + directory, e);
    }
  }
}
