package io.quern.text;

import io.quern.DType;
import io.quern.Device;
import io.quern.Tensor;
import io.quern.TensorScope;
import io.quern.onnx.ElementType;
import io.quern.onnx.OnnxException;
import io.quern.onnx.OnnxModel;
import io.quern.onnx.OnnxModel.Parameter;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** A model that reads tokens and gives a vector for each. Thread-safe. */
final class TokenModel {
  private static final String IDS = "input_ids";
  private static final String MASK = "attention_mask";
  private static final String TYPES = "token_type_ids";

  private final OnnxModel model;
  private final Parameter output;
  private final boolean mixing;

  /** Finds the inputs and the output by their names. */
  TokenModel(OnnxModel model) {
    this.model = model;
    List<String> names = model.inputs().stream().map(Parameter::name).toList();
    for (String needed : List.of(IDS, MASK)) {
      if (!names.contains(needed)) {
        throw new OnnxException("embed: the model has no input '" + needed + "', only " + names);
      }
    }
    for (Parameter input : model.inputs()) {
      if (!Set.of(IDS, MASK, TYPES).contains(input.name())) {
        throw new OnnxException(
            "embed: the model wants an input '"
                + input.name()
                + "'; a text gives "
                + List.of(IDS, MASK, TYPES));
      }
    }
    this.output =
        model.outputs().stream()
            .filter(each -> each.dims() == null || each.dims().size() == 3)
            .findFirst()
            .orElseThrow(
                () ->
                    new OnnxException(
                        "embed: the model gives "
                            + model.outputs()
                            + "; expected a vector for each token, [texts, tokens, dimensions]"));
    this.mixing =
        model.check().operators().stream().anyMatch(op -> op.startsWith("DynamicQuantize"));
  }

  /** The same on another device. */
  TokenModel on(Device device) {
    return new TokenModel(model.on(device));
  }

  /** Gives its memory back at once. */
  void close() {
    model.close();
  }

  /** Whether texts that run together change each other's vectors: they share a scale. */
  boolean isMixing() {
    return mixing;
  }

  /** Elements of each vector; 0 if the model does not tell. */
  int dimensions() {
    List<String> dims = output.dims();
    String last = dims == null ? "?" : dims.getLast();
    return last.matches("[0-9]{1,9}") ? Integer.parseInt(last) : 0;
  }

  /**
   * The vectors of all tokens, row by row, with {@code length} tokens in each row.
   *
   * @param pad the id that rows are filled up with
   */
  float[] run(List<Encoding> rows, int length, int pad) {
    int size = rows.size() * length;
    long[] ids = new long[size];
    long[] mask = new long[size];
    long[] types = new long[size];
    Arrays.fill(ids, pad);
    for (int row = 0; row < rows.size(); row++) {
      Encoding encoding = rows.get(row);
      for (int i = 0; i < encoding.size(); i++) {
        ids[row * length + i] = encoding.ids()[i];
        mask[row * length + i] = 1;
        types[row * length + i] = encoding.typeIds()[i];
      }
    }
    Map<String, long[]> values = Map.of(IDS, ids, MASK, mask, TYPES, types);
    try (TensorScope _ = TensorScope.open("embedding")) {
      Map<String, Tensor> arguments = new HashMap<>();
      for (Parameter input : model.inputs()) {
        Tensor tensor = Tensor.of(values.get(input.name()), rows.size(), length);
        ElementType type = input.type();
        DType dtype = type == null ? null : type.dtype();
        arguments.put(input.name(), dtype == null ? tensor : tensor.to(dtype));
      }
      Tensor states = run(arguments, rows.size(), length);
      if (states.rank() != 3 || states.dim(0) != rows.size() || states.dim(1) != length) {
        throw new OnnxException(
            "embed: output '%s' is %s for %d texts of %d tokens; expected a vector for each token"
                .formatted(output.name(), states.spec(), rows.size(), length));
      }
      return states.toFloatArray();
    }
  }

  private Tensor run(Map<String, Tensor> arguments, int rows, int length) {
    try {
      return model.run(arguments).get(output.name());
    } catch (OnnxException | IllegalArgumentException | IndexOutOfBoundsException e) {
      throw new OnnxException(
          ("embed: the model fails on texts of %d tokens, %d at once: %s; does it read as many, and"
                  + " is the tokenizer its own?")
              .formatted(length, rows, e.getMessage()),
          e);
    }
  }
}
