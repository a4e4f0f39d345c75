package io.quern.onnx;

import io.quern.Rng;
import io.quern.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** Operators of ai.onnx.ml, each as a model of one node, give what ONNX Runtime gives. */
class MlOpsTest {
  private static NodeCase one(String op, String remark) {
    return new NodeCase("ai.onnx.ml", op, remark);
  }

  @TestFactory
  Stream<DynamicTest> givesWhatOnnxRuntimeGives() {
    List<NodeCase> cases = new ArrayList<>();
    features(cases);
    linear(cases);
    trees(cases);
    return cases.stream().map(NodeCase::test);
  }

  private static void features(List<NodeCase> cases) {
    cases.add(
        one("Scaler", "").in(4, 3).numbers("offset", 1, -2, 0.5).numbers("scale", 0.5, 3, -1));
    for (String norm : List.of("L1", "L2", "MAX")) {
      cases.add(one("Normalizer", norm).in(5, 4).text("norm", norm));
    }
    cases.add(
        one("Imputer", "NaN")
            .in(Tensor.of(new float[] {1, Float.NaN, 3, Float.NaN, 5, 6}, 2, 3))
            .numbers("imputed_value_floats", 7, 8, 9)
            .number("replaced_value_float", Float.NaN));
    cases.add(
        one("Imputer", "integers")
            .in(Tensor.of(new long[] {1, -1, 3, -1, 5, 6}, 2, 3))
            .integers("imputed_value_int64s", 7)
            .integer("replaced_value_int64", -1));
    cases.add(one("Binarizer", "").in(4, 3).number("threshold", 0.25f));
    cases.add(
        one("ArrayFeatureExtractor", "").in(4, 5).in(Tensor.of(new long[] {0, 3}).reshape(1, 2)));
    cases.add(one("FeatureVectorizer", "").in(4, 2).in(4, 3).integers("inputdimensions", 2, 3));
    cases.add(
        one("LabelEncoder", "numbers")
            .in(Tensor.of(new long[] {3, 4, 9, 5}))
            .integers("keys_int64s", 3, 4, 5)
            .numbers("values_floats", 0.5, 1.5, 2.5)
            .number("default_float", -7));
    cases.add(
        one("OneHotEncoder", "")
            .in(Tensor.of(new long[] {3, 4, 9, 5}, 2, 2))
            .integers("cats_int64s", 3, 5, 9));
  }

  private static void linear(List<NodeCase> cases) {
    double[] weights = Rng.of(3).normal(9).toDoubleArray();
    cases.add(
        one("LinearRegressor", "3 targets")
            .in(4, 3)
            .numbers("coefficients", weights)
            .numbers("intercepts", 0.1, 0.2, 0.3)
            .integer("targets", 3));
    for (String transform : List.of("NONE", "SOFTMAX", "LOGISTIC")) {
      cases.add(
          one("LinearClassifier", transform)
              .in(6, 3)
              .numbers("coefficients", weights)
              .numbers("intercepts", 0.1, 0.2, 0.3)
              .integers("classlabels_ints", 10, 20, 30)
              .text("post_transform", transform)
              .outputs(2));
    }
  }

  /** Two trees of depth 2 and 1 over two features. */
  private static NodeCase forest(String op, String remark) {
    return one(op, remark)
        .in(16, 2)
        .integers("nodes_treeids", 0, 0, 0, 0, 0, 1, 1, 1)
        .integers("nodes_nodeids", 0, 1, 2, 3, 4, 0, 1, 2)
        .integers("nodes_featureids", 0, 1, 0, 0, 0, 1, 0, 0)
        .numbers("nodes_values", 0.1, -0.3, 0, 0, 0, 0.4, 0, 0)
        .texts(
            "nodes_modes",
            "BRANCH_LEQ",
            "BRANCH_LEQ",
            "LEAF",
            "LEAF",
            "LEAF",
            "BRANCH_LEQ",
            "LEAF",
            "LEAF")
        .integers("nodes_truenodeids", 1, 2, 0, 0, 0, 1, 0, 0)
        .integers("nodes_falsenodeids", 4, 3, 0, 0, 0, 2, 0, 0);
  }

  private static NodeCase leaves(NodeCase forest, String prefix, long... targets) {
    return forest
        .integers(prefix + "_treeids", 0, 0, 0, 1, 1)
        .integers(prefix + "_nodeids", 2, 3, 4, 1, 2)
        .integers(prefix + "_ids", targets)
        .numbers(prefix + "_weights", 0.5, 0.25, 0.125, 0.375, 0.0625);
  }

  private static void trees(List<NodeCase> cases) {
    for (String aggregate : List.of("SUM", "AVERAGE", "MIN", "MAX")) {
      cases.add(
          leaves(forest("TreeEnsembleRegressor", aggregate), "target", 0, 0, 0, 0, 0)
              .integer("n_targets", 1)
              .text("aggregate_function", aggregate)
              .numbers("base_values", 0.5));
    }
    cases.add(
        leaves(forest("TreeEnsembleClassifier", "3 classes"), "class", 0, 1, 2, 1, 2)
            .integers("classlabels_int64s", 7, 8, 9)
            .outputs(2));
    cases.add(
        leaves(forest("TreeEnsembleClassifier", "softmax"), "class", 0, 1, 2, 1, 2)
            .integers("classlabels_int64s", 7, 8, 9)
            .text("post_transform", "SOFTMAX")
            .outputs(2));
    cases.add(
        leaves(forest("TreeEnsembleClassifier", "one-sided"), "class", 0, 0, 0, 0, 0)
            .integers("classlabels_int64s", 7, 8)
            .outputs(2));
  }
}
