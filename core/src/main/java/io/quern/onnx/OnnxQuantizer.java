package io.quern.onnx;

import io.quern.Tensor;
import io.quern.io.AtomicFile;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Static quantisation of a model in floats after training: convolutions, products with constant
 * matrices and sums compute on bytes, in a model of a quarter of the size that Quern and other
 * engines run. Activations are U8, with the range that examples show; weights are I8 with a scale
 * for each output channel (Krishnamoorthi 2018, <a href="https://arxiv.org/abs/1806.08342">
 * Quantizing deep convolutional networks for efficient inference</a>). Batch normalisations behind
 * convolutions become part of them.
 *
 * {@snippet :
 * OnnxQuantizer quantizer = OnnxQuantizer.load(Path.of("model.onnx"));
 * for (Tensor images : examples) {
 *   quantizer.calibrate(Map.of("image", images));
 * }
 * quantizer.write(Path.of("model-q.onnx"));
 * }
 *
 * <p>Some hundred examples that look like what the model will see are enough. Not thread-safe.
 */
public final class OnnxQuantizer {
  private final Path path;
  private final ModelProto model;
  private final TensorReader constants;
  private final QdqGraph graph;
  private final List<String> observed;
  private final OnnxModel observer;
  private final Map<String, float[]> ranges = new HashMap<>();

  private OnnxQuantizer(Path path) {
    this.path = path;
    this.constants =
        new TensorReader(path, new ExternalData(path, path.toAbsolutePath().getParent()));
    ModelProto read = ModelReader.model(path, ExternalData.map(path));
    if (!read.functions().isEmpty() || !read.graph().sparseInitializers().isEmpty()) {
      throw new OnnxException(
          path + ": has functions or sparse constants, which cannot be quantised");
    }
    ModelProto current = OpsetUpgrade.of(path, read);
    ModelProto folded =
        current.with(
            BatchNormFolding.apply(current.graph(), new ConstantValues(current, constants)));
    this.model = folded;
    this.graph = new QdqGraph(folded.graph(), new ConstantValues(folded, constants));
    this.observed = new ArrayList<>(graph.observed());
    if (observed.isEmpty()) {
      throw new OnnxException(
          path + ": has no convolution, product with a constant matrix or sum to quantise");
    }
    this.observer =
        new OnnxModel(
            path, model.with(QdqGraph.observing(model.graph(), graph.observed())), constants);
  }

  /**
   * Reads a model in floats.
   *
   * @throws io.quern.io.FormatException if the file is not an ONNX model, or a damaged one
   * @throws OnnxException if it cannot be quantised
   */
  public static OnnxQuantizer load(Path path) {
    return new OnnxQuantizer(path);
  }

  /** What the model takes, in order. */
  public List<OnnxModel.Parameter> inputs() {
    return observer.inputs();
  }

  /** Number of operators that will compute on bytes. */
  public int quantizedNodes() {
    return graph.size();
  }

  /**
   * Runs the model on an example, or a batch of them, and notes which values occur.
   *
   * @param arguments the inputs by name
   * @throws OnnxException if the inputs do not fit, or values are not finite
   */
  public OnnxQuantizer calibrate(Map<String, Tensor> arguments) {
    List<Tensor> results = List.copyOf(observer.run(arguments).values());
    for (int i = 0; i < observed.size(); i++) {
      float least = (float) results.get(2 * i).item();
      float largest = (float) results.get(2 * i + 1).item();
      if (!Float.isFinite(largest - least)) {
        throw new OnnxException(
            path
                + ": '"
                + observed.get(i)
                + "' is from "
                + least
                + " to "
                + largest
                + " for this example; quantisation needs finite values");
      }
      ranges.merge(
          observed.get(i),
          new float[] {least, largest},
          (a, b) -> new float[] {Math.min(a[0], b[0]), Math.max(a[1], b[1])});
    }
    return this;
  }

  /**
   * Writes the quantised model, in one step.
   *
   * @throws IllegalStateException if there was no example
   * @throws java.io.UncheckedIOException if the file cannot be written; an old one is unchanged
   */
  public void write(Path file) {
    if (ranges.isEmpty()) {
      throw new IllegalStateException(
          "onnx quantize: no example was seen; call calibrate before write");
    }
    ModelProto quantized = model.with(graph.quantized(ranges));
    AtomicFile.write(file, ModelWriter.write(quantized, constants)::writeTo);
  }
}
