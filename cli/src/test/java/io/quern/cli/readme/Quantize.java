package io.quern.cli.readme;

import io.quern.Tensor;
import io.quern.onnx.OnnxQuantizer;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** The example of quantising ONNX models. */
public final class Quantize {
  private Quantize() {}

  /** Quantises a model by batches of what it will see. */
  public static void run(Path file, List<Tensor> examples, Path quantized) {
    // README: quantize
    OnnxQuantizer quantizer = OnnxQuantizer.load(file);
    for (Tensor images : examples) {
      quantizer.calibrate(Map.of("image", images));
    }
    quantizer.write(quantized);
    // README: end
  }
}
