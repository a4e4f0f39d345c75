package io.quern.jmh;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/**
 * A square convolution of a network at batch 1, and how often the network has it.
 *
 * @param channels input channels
 * @param size height and width of the input
 */
public record ConvLayer(
    int channels, int size, int out, int kernel, int stride, int padding, int count) {
  /** The layers of a file of shapes, one per line; lines that begin with # are comments. */
  public static List<ConvLayer> read(String name) {
    Path file = Path.of(System.getProperty("quern.jmh.shapes", "jmh/shapes"), name + ".txt");
    try {
      return Files.readAllLines(file).stream()
          .filter(line -> !line.startsWith("#"))
          .map(line -> Arrays.stream(line.split(" ", -1)).mapToInt(Integer::parseInt).toArray())
          .map(n -> new ConvLayer(n[0], n[1], n[2], n[3], n[4], n[5], n[6]))
          .toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Height and width of the output. */
  public int outputSize() {
    return (size + 2 * padding - kernel) / stride + 1;
  }

  /** Floating-point operations of all such layers of the network. */
  public double flops() {
    double positions = (double) outputSize() * outputSize();
    return 2.0 * count * positions * out * channels * kernel * kernel;
  }
}
