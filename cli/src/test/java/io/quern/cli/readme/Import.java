package io.quern.cli.readme;

import io.quern.Tensor;
import io.quern.onnx.OnnxModel;
import java.nio.file.Path;
import java.util.Map;

/** The example of ONNX models. */
public final class Import {
  private Import() {}

  /** Runs a model with an input "x" and an output "scores". */
  public static Tensor run(Path file, Tensor image) {
    // README: import
    OnnxModel model = OnnxModel.load(file);
    System.out.println(model.inputs());
    Tensor scores = model.run(Map.of("x", image)).get("scores");
    // README: end
    return scores;
  }
}
