package io.quern.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AtomicFileTest {
  @TempDir Path directory;

  private static AtomicFile.Content text(String text) {
    return channel -> channel.write(ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8)));
  }

  private List<String> files() throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    }
  }

  @Test
  void createsAndReplaces() throws IOException {
    Path file = directory.resolve("model");
    AtomicFile.write(file, text("one, and longer"));
    AtomicFile.write(file, text("two"));
    assertThat(file).hasContent("two");
    assertThat(files()).containsExactly("model");
  }

  @Test
  void aFailureHalfWayKeepsTheOldFileAndLeavesNothingElse() throws IOException {
    Path file = directory.resolve("model");
    AtomicFile.write(file, text("old"));
    AtomicFile.Content full =
        channel -> {
          text("half of the new").writeTo(channel);
          assertThat(files()).hasSize(2);
          throw new IOException("No space left on device");
        };
    assertThatThrownBy(() -> AtomicFile.write(file, full))
        .isInstanceOf(UncheckedIOException.class)
        .hasMessageStartingWith(file + ": cannot be written (IOException: No space left on device)")
        .hasMessageContaining("the old content is unchanged");
    assertThat(file).hasContent("old");
    assertThat(files()).containsExactly("model");
  }

  @Test
  void errorsOfTheWriterPassAndLeaveNothing() throws IOException {
    Path file = directory.resolve("model");
    assertThatThrownBy(
            () ->
                AtomicFile.write(
                    file,
                    channel -> {
                      throw new IllegalStateException("closed tensor");
                    }))
        .isInstanceOf(IllegalStateException.class);
    assertThat(files()).isEmpty();
  }

  @Test
  void aDirectoryThatDisappearsIsNamed() throws IOException {
    Path file = directory.resolve("gone").resolve("model");
    assertThatThrownBy(() -> AtomicFile.write(file, text("new")))
        .isInstanceOf(UncheckedIOException.class)
        .hasMessageContaining(file.toString())
        .hasMessageContaining("check that the directory exists and has room");
    Files.createDirectory(file.getParent());
    assertThatThrownBy(
            () ->
                AtomicFile.write(
                    file,
                    channel -> {
                      text("new").writeTo(channel);
                      try (Stream<Path> files = Files.list(file.getParent())) {
                        for (Path each : files.toList()) {
                          Files.delete(each);
                        }
                      }
                      Files.delete(file.getParent());
                    }))
        .isInstanceOf(UncheckedIOException.class);
    assertThat(files()).isEmpty();
  }

  @Test
  void aSymbolicLinkKeepsPointingToTheReplacedFile() throws IOException {
    Path file = directory.resolve("v1");
    Path link = directory.resolve("current");
    AtomicFile.write(file, text("one"));
    Files.createSymbolicLink(link, file);
    AtomicFile.write(link, text("two"));
    assertThat(link).isSymbolicLink().hasContent("two");
    assertThat(file).hasContent("two");
  }

  @Test
  void anInterruptedWriterKeepsTheOldFile() throws IOException {
    Path file = directory.resolve("model");
    AtomicFile.write(file, text("old"));
    Thread.currentThread().interrupt();
    try {
      assertThatThrownBy(() -> AtomicFile.write(file, text("new")))
          .isInstanceOf(UncheckedIOException.class)
          .hasMessageContaining("ClosedByInterruptException");
    } finally {
      assertThat(Thread.interrupted()).isTrue();
    }
    assertThat(file).hasContent("old");
    assertThat(files()).containsExactly("model");
  }
}
