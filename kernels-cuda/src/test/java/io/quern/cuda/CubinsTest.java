package io.quern.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.api.io.TempDir;

/** Files of compiled kernels are used if they are whole and made for what is asked for. */
@EnabledIf(
    value = "io.quern.cuda.StandIn#isReady",
    disabledReason = "there is no GPU, and no g++ on x86-64 to build a stand-in")
class CubinsTest {
  private static final String KNOB = "quern.cuda.cache";
  private static final FileTime LONG_AGO = FileTime.fromMillis(0);

  private final String before = System.getProperty(KNOB);
  @TempDir private Path directory;
  private JCudaGpu gpu;
  private String text;

  @BeforeEach
  void open() {
    System.setProperty(KNOB, directory.toString());
    gpu = new JCudaGpu(Driver.get(), 0);
    text = gpu.source("random");
  }

  @AfterEach
  void restoreKnob() {
    if (before == null) {
      System.clearProperty(KNOB);
    } else {
      System.setProperty(KNOB, before);
    }
  }

  private List<Path> files() throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      return files.toList();
    }
  }

  private Path load(String ptx) throws IOException {
    List<Path> earlier = files();
    loadAndFind(ptx);
    List<Path> files = files();
    assertThat(files).hasSize(earlier.size() + 1);
    return files.stream().filter(file -> !earlier.contains(file)).findFirst().orElseThrow();
  }

  private void loadAndFind(String ptx) {
    assertThat(gpu.function(gpu.loadGenerated(ptx), "random_uniform_f32")).isNotZero();
  }

  @Test
  void aFileIsUsedAgain() throws IOException {
    Path file = load(text);
    Files.setLastModifiedTime(file, LONG_AGO);
    loadAndFind(text);
    assertThat(files()).containsExactly(file);
    assertThat(Files.getLastModifiedTime(file)).isEqualTo(LONG_AGO);
  }

  @Test
  void theProjectsOwnModulesAreCompiled() throws IOException {
    assertThat(gpu.function(gpu.load(text), "random_uniform_f32")).isNotZero();
    assertThat(files()).isEmpty();
  }

  @Test
  void damagedFilesAreReplaced() throws IOException {
    Path file = load(text);
    byte[] whole = Files.readAllBytes(file);
    byte[] damaged = whole.clone();
    damaged[damaged.length / 2] ^= 1;
    byte[] shorter = Arrays.copyOf(whole, 100);
    for (byte[] content : List.of(damaged, shorter, new byte[0], new byte[32])) {
      Files.write(file, content);
      loadAndFind(text);
      assertThat(files()).containsExactly(file);
      assertThat(Files.readAllBytes(file)).isEqualTo(whole);
    }
  }

  @Test
  void filesOfOthersAreReplaced() throws IOException {
    Path file = load(text);
    byte[] own = Files.readAllBytes(file);
    Path other = load(text + "\n");
    Files.copy(other, file, StandardCopyOption.REPLACE_EXISTING);
    loadAndFind(text);
    assertThat(Files.readAllBytes(file)).isEqualTo(own);
  }

  @Test
  void whatIsNotLinkedIsLoadedAsText() throws IOException {
    loadAndFind(text + "// not to be linked\n");
    if (StandIn.isUsed()) {
      assertThat(files()).isEmpty();
    }
  }

  @Test
  void withoutADirectoryNothingIsStored() throws IOException {
    System.setProperty(KNOB, "off");
    loadAndFind(text);
    assertThat(files()).isEmpty();
    Path file = Files.createFile(directory.resolve("no-directory"));
    System.setProperty(KNOB, file.toString());
    loadAndFind(text);
    assertThat(files()).containsExactly(file);
  }
}
