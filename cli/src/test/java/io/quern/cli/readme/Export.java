package io.quern.cli.readme;

import io.quern.DType;
import io.quern.Shape;
import io.quern.nn.Module;
import io.quern.onnx.OnnxExport;
import io.quern.op.TensorSpec;
import java.nio.file.Path;

/** The example of writing ONNX models. */
public final class Export {
  private Export() {}

  /** Writes a model of images of 28 by 28 pixels. */
  public static void run(Module model, Path file) {
    // README: export
    OnnxExport.of(model, new TensorSpec(DType.F32, Shape.of(28, 28)))
        .inputs("image")
        .outputs("scores")
        .write(file);
    // README: end
  }
}
