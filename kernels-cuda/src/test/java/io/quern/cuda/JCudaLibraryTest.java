package io.quern.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Processes that start at once find the whole library, or none. */
class JCudaLibraryTest {
  private static final int AT_ONCE = 4;

  @Test
  void theLibraryIsWholeWheneverItIsThere(@TempDir Path directory) throws Exception {
    long size = Files.size(JCudaLibrary.install(Files.createDirectory(directory.resolve("one"))));
    assertThat(size).isGreaterThan(1 << 20);
    assertThat(Files.getPosixFilePermissions(JCudaLibrary.install(directory.resolve("one"))))
        .contains(PosixFilePermission.OTHERS_READ);
    Path shared = Files.createDirectory(directory.resolve("shared"));
    Set<Long> seen = new HashSet<>();
    try (ExecutorService threads = Executors.newFixedThreadPool(2 * AT_ONCE)) {
      List<Future<Path>> installed = new ArrayList<>();
      for (int i = 0; i < AT_ONCE; i++) {
        installed.add(threads.submit(() -> JCudaLibrary.install(shared)));
      }
      Callable<Set<Long>> watch = () -> sizesUntil(installed, shared);
      List<Future<Set<Long>>> watched = List.of(threads.submit(watch), threads.submit(watch));
      for (Future<Path> path : installed) {
        assertThat(path.get()).hasSize(size);
      }
      for (Future<Set<Long>> sizes : watched) {
        seen.addAll(sizes.get());
      }
    }
    seen.remove(-1L);
    assertThat(seen).isSubsetOf(size);
    try (var files = Files.list(shared)) {
      assertThat(files).hasSize(1);
    }
  }

  /** Sizes that the library has meanwhile; -1 where it is missing. */
  private static Set<Long> sizesUntil(List<Future<Path>> done, Path directory) throws IOException {
    Set<Long> sizes = new HashSet<>();
    while (!done.stream().allMatch(Future::isDone)) {
      try (var files = Files.newDirectoryStream(directory, "*{.so,.dll,.dylib}")) {
        long size = -1;
        for (Path file : files) {
          size = Files.size(file);
        }
        sizes.add(size);
      }
    }
    return sizes;
  }

  @Test
  void aLibraryThatWasCutIsReplaced(@TempDir Path directory) throws IOException {
    Path file = JCudaLibrary.install(directory);
    byte[] whole = Files.readAllBytes(file);
    Files.write(file, new byte[100]);
    assertThat(JCudaLibrary.install(directory)).hasBinaryContent(whole);
  }
}
