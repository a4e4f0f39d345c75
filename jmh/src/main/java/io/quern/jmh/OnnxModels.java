package io.quern.jmh;

import io.quern.Rng;
import io.quern.conformance.LightModel;
import io.quern.onnx.OnnxQuantizer;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/** ONNX models to measure, by name. */
public final class OnnxModels {
  /** The class-path entries of MiniLM, in floats and in bytes, which {@code -Ppeers} brings. */
  private static final Map<String, String> RESOURCES =
      Map.of("minilm", "/all-minilm-l6-v2.onnx", "minilm-q", "/all-minilm-l6-v2-q.onnx");

  /** Networks of the model zoo without their weights. */
  private static final Path LIGHT =
      Path.of(System.getProperty("quern.jmh.light", "../shared/data/onnx-light"));

  /** Behind the name of a network whose quantised form is meant. */
  private static final String QUANTIZED = "-q";

  private OnnxModels() {}

  /**
   * The file of a model: {@code minilm}, {@code minilm-q}, or a network of the zoo with random
   * weights, quantised if {@code -q} is behind its name. It goes when the JVM ends.
   */
  public static Path file(String name) throws IOException {
    Path folder = Files.createTempDirectory("quern-jmh");
    Path file = folder.resolve("model.onnx");
    folder.toFile().deleteOnExit();
    folder.resolve("weights").toFile().deleteOnExit();
    file.toFile().deleteOnExit();
    String resource = RESOURCES.get(name);
    if (resource == null && name.endsWith(QUANTIZED)) {
      quantize(file(name.substring(0, name.length() - QUANTIZED.length())), file);
      return file;
    }
    if (resource == null) {
      return LightModel.write(LIGHT.resolve("light_" + name + ".onnx"), folder, 1);
    }
    try (InputStream in = OnnxModels.class.getResourceAsStream(resource)) {
      if (in == null) {
        throw new IllegalStateException(
            resource + " is not on the class path; use jmh/run --peers");
      }
      Files.copy(in, file);
    }
    return file;
  }

  private static void quantize(Path from, Path to) {
    OnnxQuantizer quantizer = OnnxQuantizer.load(from);
    String input = quantizer.inputs().getFirst().name();
    quantizer.calibrate(Map.of(input, Rng.of(1).normal(1, 3, 224, 224))).write(to);
  }

  /** The dimensions in a name such as {@code 8x128}. */
  public static long[] dims(String shape) {
    String[] parts = shape.split("x", -1);
    long[] dims = new long[parts.length];
    for (int i = 0; i < dims.length; i++) {
      dims[i] = Long.parseLong(parts[i]);
    }
    return dims;
  }
}
