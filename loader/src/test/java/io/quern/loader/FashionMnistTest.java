package io.quern.loader;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.quern.Batch;
import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The real thing, as the Debian package {@code dataset-fashion-mnist} installs it. */
class FashionMnistTest {
  private static final Path DIRECTORY = Path.of("/usr/share/datasets/fashion-mnist");

  @BeforeAll
  static void dataAreInstalled() {
    boolean present = Files.isDirectory(DIRECTORY);
    if (!present) {
      System.out.println(
          "FashionMnistTest is skipped: no "
              + DIRECTORY
              + "; to run it, apt-get install dataset-fashion-mnist");
    }
    assumeTrue(present, "no " + DIRECTORY);
  }

  @Test
  void readsImagesAndLabels() throws IOException {
    Tensor images = Idx.read(DIRECTORY.resolve("t10k-images-idx3-ubyte.gz"));
    Tensor labels = Idx.read(DIRECTORY.resolve("t10k-labels-idx1-ubyte.gz"));

    assertThat(images.dtype()).isEqualTo(DType.U8);
    assertThat(images.shape()).isEqualTo(Shape.of(10_000, 28, 28));
    assertThat(labels.shape()).isEqualTo(Shape.of(10_000));
    try (InputStream in =
        new GZIPInputStream(Files.newInputStream(DIRECTORY.resolve("t10k-images-idx3-ubyte.gz")))) {
      in.skipNBytes(16);
      assertThat(images.toByteArray()).isEqualTo(in.readAllBytes());
    }
  }

  @Test
  void aShuffledEpochHasEveryImageOnce() {
    Tensor images = Idx.read(DIRECTORY.resolve("train-images-idx3-ubyte.gz"));
    Tensor labels = Idx.read(DIRECTORY.resolve("train-labels-idx1-ubyte.gz"));
    long[] expected = checksums(images);

    int[] classes = new int[10];
    long[] seen = new long[60_000];
    int at = 0;
    for (Batch batch : Dataset.of(images, labels).shuffle(1).batch(128).prefetch(4)) {
      try (batch) {
        for (long checksum : checksums(batch.input())) {
          seen[at++] = checksum;
        }
        for (long label : batch.target().toLongArray()) {
          classes[(int) label]++;
        }
      }
    }

    assertThat(classes).containsOnly(6000);
    assertThat(seen).isNotEqualTo(expected);
    Arrays.sort(expected);
    Arrays.sort(seen);
    assertThat(seen).isEqualTo(expected);
  }

  private static long[] checksums(Tensor images) {
    byte[] pixels = images.toByteArray();
    long[] sums = new long[(int) images.dim(0)];
    for (int i = 0; i < pixels.length; i++) {
      sums[i / 784] = sums[i / 784] * 31 + pixels[i];
    }
    return sums;
  }
}
