package io.quern.jmh;

import io.quern.conformance.LightModel;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;

/** ONNX models to measure, by name. */
public final class OnnxModels {
  /** The class-path entry of MiniLM, which {@code -Ppeers} brings. */
  private static final String MINILM = "/all-minilm-l6-v2.onnx";

  /** Networks of the model zoo without their weights. */
  private static final Path LIGHT =
      Path.of(System.getProperty("quern.jmh.light", "../shared/data/onnx-light"));

  private OnnxModels() {}

  /** The bytes of a model: {@code minilm}, or a network of the zoo with random weights. */
  public static byte[] bytes(String name) throws IOException {
    if (!name.equals("minilm")) {
      return LightModel.withWeights(LIGHT.resolve("light_" + name + ".onnx"), 1);
    }
    try (InputStream in = OnnxModels.class.getResourceAsStream(MINILM)) {
      if (in == null) {
        throw new IllegalStateException(MINILM + " is not on the class path; use jmh/run --peers");
      }
      return in.readAllBytes();
    }
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
