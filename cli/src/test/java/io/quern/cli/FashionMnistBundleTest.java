package io.quern.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.loader.Idx;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class FashionMnistBundleTest {
  private static final Path FULL = Path.of("/usr/share/datasets/fashion-mnist");

  private static Tensor bundled(String name) {
    return Idx.read(
        Objects.requireNonNull(Main.class.getResourceAsStream("fashion-mnist/" + name)), name);
  }

  @Test
  void everyImageHasALabel() {
    assertThat(bundled("train-images-idx3-ubyte.gz").shape()).isEqualTo(Shape.of(10_000, 28, 28));
    assertThat(bundled("train-labels-idx1-ubyte.gz").shape()).isEqualTo(Shape.of(10_000));
    assertThat(bundled("t10k-images-idx3-ubyte.gz").shape()).isEqualTo(Shape.of(2000, 28, 28));
    assertThat(bundled("t10k-labels-idx1-ubyte.gz").shape()).isEqualTo(Shape.of(2000));
  }

  @ParameterizedTest
  @CsvSource({"train-labels-idx1-ubyte.gz, 900", "t10k-labels-idx1-ubyte.gz, 170"})
  void everyClassIsThere(String name, int least) {
    int[] counts = new int[10];
    for (long label : bundled(name).toLongArray()) {
      counts[(int) label]++;
    }

    assertThat(Arrays.stream(counts).min().orElseThrow()).isGreaterThan(least);
  }

  @ParameterizedTest
  @CsvSource({
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz"
  })
  void itIsTheBeginningOfTheFullData(String name) {
    boolean present = Files.isDirectory(FULL);
    if (!present) {
      System.out.println(
          "FashionMnistBundleTest does not compare with the full data: no "
              + FULL
              + "; to compare, apt-get install dataset-fashion-mnist");
    }
    assumeTrue(present, "no " + FULL);
    Tensor bundle = bundled(name);
    Tensor full = Idx.read(FULL.resolve(name));

    assertThat(bundle.dtype()).isEqualTo(DType.U8);
    assertThat(bundle.toByteArray()).isEqualTo(full.slice(0, 0, bundle.dim(0)).toByteArray());
  }
}
