package io.quern.onnx;

import io.quern.DType;
import io.quern.Device;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.op.Compare;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Operators of the domain ai.onnx.ml that prepare features, and models of one layer. */
final class MlOps {
  private MlOps() {}

  static void addTo(OpTable table) {
    table.domain("ai.onnx.ml");
    table.op("Scaler", 1, MlOps::scale);
    table.op("Normalizer", 1, MlOps::normalize);
    table.op("Imputer", 1, MlOps::impute);
    table.op(
        "Binarizer",
        1,
        call ->
            call.in(0).compare(Compare.Fn.GT, call.number("threshold", 0)).to(call.in(0).dtype()));
    table.op(
        "ArrayFeatureExtractor",
        1,
        call -> {
          Tensor x = rows(call.in(0));
          return x.gather(x.rank() - 1, call.in(1).reshape(call.in(1).size()));
        });
    table.op(
        "FeatureVectorizer",
        1,
        call -> {
          Tensor[] parts = call.tensors();
          for (int i = 0; i < parts.length; i++) {
            parts[i] = rows(parts[i]).to(DType.F32);
          }
          return Tensor.concat(1, parts);
        });
    table.op("LinearRegressor", 1, MlOps::regress);
    table.values("LinearClassifier", 1, MlOps::classify);
    table.eager("ZipMap", 1, call -> new OnnxValue[] {zip(call)});
    Encoders.addTo(table);
    SupportVectors.addTo(table);
    TreeEnsemble.addTo(table);
    table.domain("");
  }

  /** Numbers that must be there. */
  static Tensor floats(Call call, String name) {
    float[] numbers = call.numbers(name);
    if (numbers == null) {
      throw call.error("attribute '%s' is missing", name);
    }
    return Tensor.of(numbers);
  }

  private static Tensor scale(Call call) {
    Tensor x = call.in(0).to(DType.F32);
    return x.sub(floats(call, "offset")).mul(floats(call, "scale"));
  }

  private static Tensor normalize(Call call) {
    Tensor x = call.in(0).to(DType.F32);
    List<Integer> axis = List.of(x.rank() - 1);
    Tensor size =
        switch (call.text("norm", "MAX")) {
          case "L1" -> ReduceOps.sum(x.abs(), axis, true);
          case "L2" -> ReduceOps.sum(x.square(), axis, true).sqrt();
          case "MAX" -> x.max(x.rank() - 1).unsqueeze(x.rank() - 1);
          default -> throw call.error("norm '%s' is not known", call.text("norm", ""));
        };
    return Tensor.where(size.compare(Compare.Fn.EQ, 0), x, x.div(size));
  }

  private static Tensor impute(Call call) {
    Tensor x = call.in(0);
    boolean isFloat = x.dtype().isFloat();
    Tensor values;
    Tensor missing;
    if (isFloat) {
      values = floats(call, "imputed_value_floats").to(x.dtype());
      double replaced = call.number("replaced_value_float", 0);
      missing =
          Double.isNaN(replaced) ? x.compare(Compare.Fn.NE, x) : x.compare(Compare.Fn.EQ, replaced);
    } else {
      values = Tensor.of(call.integersOf("imputed_value_int64s")).to(x.dtype());
      missing = x.compare(Compare.Fn.EQ, (double) call.integer("replaced_value_int64", 0));
    }
    return Tensor.where(missing, values.size() == 1 ? values.reshape(Shape.scalar()) : values, x);
  }

  /** A vector of features is a matrix of one row. */
  static Tensor rows(Tensor x) {
    return x.rank() == 1 ? x.unsqueeze(0) : x;
  }

  // ---- linear models ---------------------------------------------------------------------

  private static Tensor linear(Call call, long outputs) {
    Tensor weights = floats(call, "coefficients").reshape(outputs, -1);
    Tensor scores = rows(call.in(0)).to(DType.F32).matmul(weights.transpose(0, 1));
    return call.hasAttribute("intercepts") ? scores.add(floats(call, "intercepts")) : scores;
  }

  private static Tensor regress(Call call) {
    return transformed(call, linear(call, call.integer("targets", 1)));
  }

  /** For each row the scores by their labels. */
  private static OnnxValue zip(Call call) {
    Tensor scores = call.known(0);
    long[] integers = call.integers("classlabels_int64s", new long[0]);
    List<? extends Object> labels =
        integers.length > 0
            ? Arrays.stream(integers).boxed().toList()
            : call.texts("classlabels_strings");
    if (scores.rank() < 1 || scores.rank() > 2 || scores.dim(-1) != labels.size()) {
      throw call.error("%d labels for scores of shape %s", labels.size(), scores.shape());
    }
    double[] values = scores.toDoubleArray();
    List<OnnxValue> all = new ArrayList<>();
    for (int row = 0; row < values.length; row += labels.size()) {
      Map<Object, OnnxValue> byLabel = new LinkedHashMap<>();
      for (int i = 0; i < labels.size(); i++) {
        Tensor score = Tensor.full(values[row + i], DType.F32, Device.cpu());
        byLabel.put(labels.get(i), new OnnxValue.Dense(score));
      }
      all.add(new OnnxValue.Dictionary(byLabel));
    }
    return new OnnxValue.Sequence(all);
  }

  /** What post_transform makes of scores, in the last dimension. */
  static Tensor transformed(Call call, Tensor scores) {
    return transformed(call, scores, call.text("post_transform", "NONE"));
  }

  /** What a transform makes of scores, in the last dimension. */
  static Tensor transformed(Call call, Tensor scores, String transform) {
    return switch (transform) {
      case "NONE" -> scores;
      case "SOFTMAX" -> scores.softmax(-1);
      case "LOGISTIC" -> scores.sigmoid();
      case "SOFTMAX_ZERO" -> softmaxOfOthersThanZero(scores);
      case "PROBIT" -> probit(scores);
      case String other -> throw call.error("post_transform '%s' is not known", other);
    };
  }

  /** Softmax over the scores that are not zero; those stay zero. */
  private static Tensor softmaxOfOthersThanZero(Tensor scores) {
    int last = scores.rank() - 1;
    Tensor counts = scores.abs().compare(Compare.Fn.GT, 1e-7).to(scores.dtype());
    Tensor powers = scores.sub(scores.max(last).unsqueeze(last)).exp().mul(counts);
    return powers.div(powers.sumKeep(last));
  }

  /**
   * The inverse of the normal distribution, as far as S. Winitzki's <i>A handy approximation for
   * the error function and its inverse</i> (2008) goes: to about 2e-3. Runtimes agree on it.
   */
  private static Tensor probit(Tensor p) {
    double a = 0.147;
    Tensor log = p.mul(4).mul(p.neg().add(1)).log();
    Tensor half = log.mul(0.5).add(2 / (Math.PI * a));
    Tensor rest = log.mul(-1 / a);
    Tensor size = rest.div(half.square().add(rest).sqrt().add(half)).mul(2).sqrt();
    return Tensor.where(p.compare(Compare.Fn.LT, 0.5), size.neg(), size);
  }

  /** Labels and scores. */
  private static OnnxValue[] classify(Call call) {
    float[] coefficients = call.numbers("coefficients");
    float[] intercepts = call.numbers("intercepts");
    if (coefficients == null || intercepts == null) {
      throw call.error("coefficients and intercepts must be given");
    }
    Tensor scores = linear(call, intercepts.length);
    Tensor best = scores.argmax(1);
    if (intercepts.length == 1) {
      best = scores.reshape(scores.dim(0)).compare(Compare.Fn.GT, 0).to(DType.I64);
      scores = Tensor.concat(1, scores.neg(), scores);
    }
    return new OnnxValue[] {
      labels(call, best, "classlabels_ints", "classlabels_strings"),
      new OnnxValue.Dense(transformed(call, scores))
    };
  }

  /** The labels with these numbers. */
  static OnnxValue labels(Call call, Tensor numbers, String integers, String strings) {
    long[] known = call.integers(integers);
    if (known != null && known.length > 0) {
      return new OnnxValue.Dense(Tensor.of(known).gather(0, numbers));
    }
    List<String> texts = call.texts(strings);
    if (!Call.isKnown(new OnnxValue.Dense(numbers))) {
      throw new NeedsValue(call.label() + " gives text");
    }
    return new OnnxValue.Strings(
        numbers.shape(),
        Arrays.stream(numbers.toLongArray()).mapToObj(i -> texts.get((int) i)).toList());
  }
}
