package io.quern.cli;

import io.quern.DType;
import io.quern.Device;
import io.quern.Rng;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.onnx.OnnxModel;
import io.quern.op.TensorSpec;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The option that gives inputs to a model that is to be looked at rather than used. */
final class ModelInputs {
  @Option(
      names = "--shape",
      paramLabel = "NAME=1x128",
      description = "The shape of an input, where the model leaves it open; once for each.")
  private Map<String, String> shapes = new HashMap<>();

  private ModelInputs() {}

  /** Element types and shapes of a model's inputs. */
  List<TensorSpec> specs(OnnxModel model) {
    List<String> names = model.inputs().stream().map(OnnxModel.Parameter::name).toList();
    for (String name : shapes.keySet()) {
      if (!names.contains(name)) {
        throw new UserException("there is no input '" + name + "', the inputs are " + names);
      }
    }
    List<TensorSpec> specs = new ArrayList<>();
    for (OnnxModel.Parameter input : model.inputs()) {
      specs.add(spec(input, shapes.get(input.name())));
    }
    return specs;
  }

  private static TensorSpec spec(OnnxModel.Parameter input, @Nullable String given) {
    DType dtype = input.type() == null ? null : input.type().dtype();
    if (dtype == null) {
      throw new UserException("input " + input + " is not a tensor of numbers");
    }
    List<String> dims = input.dims() == null ? List.of("?") : input.dims();
    if (given != null) {
      dims = List.of(given.split("x", -1));
    }
    try {
      return new TensorSpec(dtype, Shape.of(dims.stream().mapToLong(Long::parseLong).toArray()));
    } catch (IllegalArgumentException e) {
      throw new UserException(
          "input '"
              + input.name()
              + "' has the shape "
              + dims
              + "; give one with --shape, such as --shape "
              + input.name()
              + "=1x128",
          e);
    }
  }

  /** Normal numbers for floats, the same each time, and ones for all else. */
  static Tensor[] random(List<TensorSpec> specs, Device device) {
    return specs.stream()
        .map(
            spec ->
                spec.dtype().isFloat()
                    ? Rng.of(1).normal(spec.shape(), 0, 1).to(spec.dtype()).to(device)
                    : Tensor.full(1, spec.dtype(), device, spec.shape().toArray()))
        .toArray(Tensor[]::new);
  }
}
