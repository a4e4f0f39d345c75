package io.quern.cli.readme;

import io.quern.serve.ModelHandle;
import java.nio.file.Path;

final class Predict {
  private Predict() {}

  static void run(Path file, float[] pixels) {
    // README: predict
    try (ModelHandle model = ModelHandle.load(file)) {
      float[] scores = model.predict(pixels); // from any number of threads
      System.out.println(scores.length + " classes");
      System.out.println(model.metrics());
    }
    // README: end
  }
}
