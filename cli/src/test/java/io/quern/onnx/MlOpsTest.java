package io.quern.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.onnxruntime.OnnxMap;
import ai.onnxruntime.OnnxSequence;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import io.quern.DType;
import io.quern.Rng;
import io.quern.Tensor;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
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
    vectors(cases);
    classifiers(cases);
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
        one("LabelEncoder", "doubles")
            .mlOpset(4)
            .in(Tensor.of(new double[] {3, -0.0, 9, Double.NaN}))
            .tensor("keys_tensor", Tensor.of(new double[] {3, 0, Double.NaN}))
            .tensor("values_tensor", Tensor.of(new double[] {0.1, 1.5, 2.5}))
            .tensor("default_tensor", Tensor.of(new double[] {-7})));
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

  private static void vectors(List<NodeCase> cases) {
    for (String kernel : List.of("LINEAR", "POLY", "RBF", "SIGMOID")) {
      cases.add(
          one("SVMRegressor", kernel)
              .in(6, 3)
              .text("kernel_type", kernel)
              .numbers("kernel_params", 0.4, 0.3, 2)
              .integer("n_supports", 2)
              .numbers("support_vectors", 0.5, -1, 2, 0.25, 1, -0.5)
              .numbers("coefficients", 0.7, -0.4)
              .numbers("rho", 0.15));
    }
    cases.add(
        one("SVMRegressor", "of one vector")
            .in(6, 3)
            .text("kernel_type", "LINEAR")
            .numbers("kernel_params", 0, 0, 3)
            .numbers("coefficients", 0.5, -1, 2)
            .numbers("rho", 0.15));
    cases.add(
        one("SVMRegressor", "of one class")
            .in(6, 3)
            .text("kernel_type", "LINEAR")
            .numbers("kernel_params", 0, 0, 3)
            .integer("one_class", 1)
            .numbers("coefficients", 0.5, -1, 2)
            .numbers("rho", 0.15));
  }

  private static double[] random(int seed, int count) {
    return Rng.of(seed).normal(count).toDoubleArray();
  }

  /** A classifier with 2 support vectors for the first class, 3 for the second and so on. */
  private static NodeCase classifier(String remark, String kernel, int classes) {
    long[] supports = LongStream.range(2, classes + 2).toArray();
    int vectors = (int) LongStream.of(supports).sum();
    return one("SVMClassifier", kernel + " " + classes + " classes " + remark)
        .in(8, 3)
        .outputs(2)
        .text("kernel_type", kernel)
        .numbers("kernel_params", 0.4, 0.3, 2)
        .integers("vectors_per_class", supports)
        .numbers("support_vectors", random(classes, 3 * vectors))
        .numbers("coefficients", random(classes + 10, (classes - 1) * vectors))
        .numbers("rho", random(classes + 20, classes * (classes - 1) / 2));
  }

  private static NodeCase withProbabilities(NodeCase classifier, int classes) {
    int pairs = classes * (classes - 1) / 2;
    return classifier
        .numbers("prob_a", Arrays.stream(random(30, pairs)).map(a -> -Math.abs(a) / 2).toArray())
        .numbers("prob_b", Arrays.stream(random(31, pairs)).map(b -> b / 4).toArray());
  }

  private static NodeCase numbered(NodeCase classifier, int classes) {
    return classifier.integers("classlabels_ints", LongStream.range(7, classes + 7).toArray());
  }

  private static void classifiers(List<NodeCase> cases) {
    for (int classes = 2; classes < 5; classes++) {
      for (String kernel : List.of("LINEAR", "POLY", "RBF", "SIGMOID")) {
        cases.add(numbered(classifier("", kernel, classes), classes));
        NodeCase likely = classifier("probabilities", kernel, classes);
        cases.add(numbered(withProbabilities(likely, classes), classes));
      }
      for (String transform : List.of("LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT")) {
        if (!transform.equals("PROBIT")) {
          NodeCase raw = classifier(transform, "RBF", classes).text("post_transform", transform);
          cases.add(numbered(raw, classes));
        }
        NodeCase likely =
            classifier("probabilities " + transform, "RBF", classes)
                .text("post_transform", transform);
        if (transform.equals("PROBIT")) {
          likely.probits();
        }
        cases.add(numbered(withProbabilities(likely, classes), classes));
      }
    }
    NodeCase hyperplanes =
        one("SVMClassifier", "3 hyperplanes")
            .in(8, 3)
            .outputs(2)
            .text("kernel_type", "LINEAR")
            .numbers("kernel_params", 0, 0, 3)
            .numbers("coefficients", random(40, 9))
            .numbers("rho", 0.125);
    cases.add(numbered(hyperplanes, 3));
  }

  @Test
  void svmClassifierGivesTextAsOnnxRuntimeDoes() throws OrtException {
    NodeCase named = classifier("text", "RBF", 3).texts("classlabels_strings", "a", "b", "c");
    byte[] bytes = named.model();
    Tensor x = Rng.of(50).normal(8, 3);
    String[] expected;
    OrtEnvironment environment = OrtEnvironment.getEnvironment();
    FloatBuffer elements = FloatBuffer.wrap(x.toFloatArray());
    try (OrtSession session = environment.createSession(bytes);
        OnnxTensor input = OnnxTensor.createTensor(environment, elements, new long[] {8, 3});
        OrtSession.Result result = session.run(Map.of("in0", input))) {
      expected = (String[]) result.get(0).getValue();
    }
    OnnxValue found = Models.parse(bytes).runValues(Map.of("in0", OnnxValue.of(x))).get("out0");
    assertThat(((OnnxValue.Strings) found).elements()).containsExactly(expected);
  }

  @Test
  void zipMapGivesScoresByLabelAsOnnxRuntimeDoes() throws OrtException {
    Models models = new Models();
    models.input(Models.value("x", ElementType.FLOAT.code(), 2, 3));
    models.output(new ProtoWriter().string(1, "out"));
    ProtoWriter labels = new ProtoWriter().string(1, "classlabels_int64s").varint(20, 7);
    ProtoWriter node =
        new ProtoWriter()
            .string(1, "x")
            .string(2, "out")
            .string(4, "ZipMap")
            .string(7, "ai.onnx.ml");
    node.message(5, labels.varint(8, 10).varint(8, 20).varint(8, 30));
    byte[] bytes = models.add(node).bytes();
    float[][] scores = {{0.5f, 0.25f, 0.125f}, {1, 2, 3}};
    List<Map<?, ?>> expected = new ArrayList<>();
    OrtEnvironment environment = OrtEnvironment.getEnvironment();
    try (OrtSession session = environment.createSession(bytes);
        OnnxTensor x = OnnxTensor.createTensor(environment, scores);
        OrtSession.Result result = session.run(Map.of("x", x))) {
      for (ai.onnxruntime.OnnxValue row : ((OnnxSequence) result.get(0)).getValue()) {
        expected.add(((OnnxMap) row).getValue());
      }
    }
    Tensor x = Tensor.of(new float[] {0.5f, 0.25f, 0.125f, 1, 2, 3}, 2, 3);
    OnnxValue found = Models.parse(bytes).runValues(Map.of("x", OnnxValue.of(x))).get("out");
    List<Map<?, ?>> rows = new ArrayList<>();
    for (OnnxValue row : ((OnnxValue.Sequence) found).elements()) {
      Map<Object, Object> values = new HashMap<>();
      ((OnnxValue.Dictionary) row)
          .entries()
          .forEach(
              (label, score) ->
                  values.put(label, (float) ((OnnxValue.Dense) score).tensor().item()));
      rows.add(values);
    }
    assertThat(rows).isEqualTo(expected);
  }

  /** Two trees of depth 2 and 1 over two features. */
  private static NodeCase forest(String op, String remark) {
    return names(one(op, remark).in(16, 2)).numbers("nodes_values", 0.1, -0.3, 0, 0, 0, 0.4, 0, 0);
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
    cases.add(
        leaves(forest("TreeEnsembleClassifier", "one-sided, base"), "class", 0, 0, 0, 0, 0)
            .integers("classlabels_int64s", 7, 8)
            .numbers("base_values", 0.0625)
            .outputs(2));
    for (String transform : List.of("NONE", "LOGISTIC")) {
      cases.add(
          forest("TreeEnsembleClassifier", "one-sided, base, mixed " + transform)
              .integers("class_treeids", 0, 0, 0, 1, 1)
              .integers("class_nodeids", 2, 3, 4, 1, 2)
              .integers("class_ids", 0, 0, 0, 0, 0)
              .numbers("class_weights", 0.5, -0.25, 0.125, -0.375, 0.0625)
              .integers("classlabels_int64s", 7, 8)
              .numbers("base_values", -0.1875)
              .text("post_transform", transform)
              .outputs(2));
    }
    cases.add(
        leaves(forest("TreeEnsembleClassifier", "3 base values"), "class", 0, 1, 2, 1, 2)
            .integers("classlabels_int64s", 7, 8, 9)
            .numbers("base_values", 0.25, -0.5, 0.375)
            .outputs(2));
    cases.add(
        leaves(forest("TreeEnsembleRegressor", "2 base values"), "target", 0, 0, 0, 1, 1)
            .integer("n_targets", 2)
            .numbers("base_values", 0.25, -0.5));
    ensembles(cases);
  }

  private static void ensembles(List<NodeCase> cases) {
    Tensor doubles = Rng.of(60).normal(16, 2).to(DType.F64);
    cases.add(
        names(one("TreeEnsembleRegressor", "doubles").in(doubles))
            .tensor("nodes_values_as_tensor", doubles(0.1, -0.3, 0, 0, 0, 0.4, 0, 0))
            .integers("target_treeids", 0, 0, 0, 1, 1)
            .integers("target_nodeids", 2, 3, 4, 1, 2)
            .integers("target_ids", 0, 0, 0, 0, 0)
            .tensor("target_weights_as_tensor", doubles(0.1, 0.7, -0.3, 0.9, 0.01))
            .tensor("base_values_as_tensor", doubles(0.2))
            .integer("n_targets", 1));
    cases.add(
        names(one("TreeEnsembleClassifier", "doubles").in(doubles))
            .tensor("nodes_values_as_tensor", doubles(0.1, -0.3, 0, 0, 0, 0.4, 0, 0))
            .integers("class_treeids", 0, 0, 0, 1, 1)
            .integers("class_nodeids", 2, 3, 4, 1, 2)
            .integers("class_ids", 0, 1, 2, 0, 1)
            .tensor("class_weights_as_tensor", doubles(0.1, 0.7, -0.3, 0.9, 0.01))
            .tensor("base_values_as_tensor", doubles(0.2, 0.3, 0.4))
            .integers("classlabels_int64s", 7, 8, 9)
            .outputs(2));
    for (DType dtype : List.of(DType.F32, DType.F64)) {
      for (long aggregate = 0; aggregate < 4; aggregate++) {
        cases.add(
            numbered("aggregate " + aggregate, dtype).integer("aggregate_function", aggregate));
      }
      cases.add(numbered("softmax zero", dtype).integer("post_transform", 3));
    }
  }

  /** The outputs of a node by their names. */
  private static Map<String, double[]> outputs(NodeCase node, Tensor x) {
    Map<String, double[]> outputs = new HashMap<>();
    Models.parse(node.model())
        .run(Map.of("in0", x))
        .forEach((name, tensor) -> outputs.put(name, tensor.toDoubleArray()));
    return outputs;
  }

  private static NodeCase twoTargets(String remark, double... base) {
    return leaves(forest("TreeEnsembleRegressor", remark), "target", 0, 0, 0, 1, 1)
        .integer("n_targets", 2)
        .numbers("base_values", base);
  }

  /** As in the reference implementation; ONNX Runtime leaves it out. */
  @Test
  void oneBaseValueIsForAllTargets() {
    Tensor x = Rng.of(70).normal(16, 2);
    double[] one = outputs(twoTargets("one base value", 0.25), x).get("out0");
    assertThat(outputs(twoTargets("same base values", 0.25, 0.25), x)).containsEntry("out0", one);
    NodeCase three = twoTargets("three base values", 1, 2, 3);
    assertThatThrownBy(() -> outputs(three, x))
        .isInstanceOf(OnnxException.class)
        .hasMessageContaining("3 base values, expected 1 or 2");
  }

  /** As in the reference implementation: ONNX Runtime leaves the transform out here. */
  @Test
  void positiveVotesForOneClassAreLogits() {
    Tensor x = Rng.of(71).normal(16, 2);
    NodeCase plain =
        leaves(forest("TreeEnsembleClassifier", "shares"), "class", 0, 0, 0, 0, 0)
            .integers("classlabels_int64s", 7, 8)
            .outputs(2);
    NodeCase logistic =
        leaves(forest("TreeEnsembleClassifier", "logits"), "class", 0, 0, 0, 0, 0)
            .integers("classlabels_int64s", 7, 8)
            .text("post_transform", "LOGISTIC")
            .outputs(2);
    double[] shares = outputs(plain, x).get("out1");
    Map<String, double[]> transformed = outputs(logistic, x);
    double[] likely = transformed.get("out1");
    for (int i = 1; i < shares.length; i += 2) {
      double expected = 1 / (1 + Math.exp(-shares[i]));
      // Two functions of F32, each within 4 units in the last place.
      assertThat(likely[i]).isCloseTo(expected, within(8 * 0x1p-24));
      assertThat(likely[i - 1]).isCloseTo(1 - expected, within(8 * 0x1p-24));
    }
    assertThat(transformed.get("out0")).containsOnly(8);
  }

  private static Tensor doubles(double... values) {
    return Tensor.of(values);
  }

  /** The nodes of {@link #forest}, without the values that they compare with. */
  private static NodeCase names(NodeCase node) {
    return node.integers("nodes_treeids", 0, 0, 0, 0, 0, 1, 1, 1)
        .integers("nodes_nodeids", 0, 1, 2, 3, 4, 0, 1, 2)
        .integers("nodes_featureids", 0, 1, 0, 0, 0, 1, 0, 0)
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

  /** Two trees over two features, one of which looks for members, and two targets. */
  private static NodeCase numbered(String remark, DType dtype) {
    Tensor x = Tensor.of(new float[] {0.5f, 1, -0.5f, 2, 3, -1, 0.25f, 7, -2, 0.5f}, 5, 2);
    Tensor splits = doubles(0.25, 0, 0.75, 2).to(dtype);
    return one("TreeEnsemble", dtype + " " + remark)
        .mlOpset(5)
        .in(x.to(dtype))
        .integer("n_targets", 2)
        .integers("tree_roots", 0, 2)
        .tensor("nodes_modes", Tensor.of(new int[] {0, 6, 3, 1}).to(DType.U8))
        .integers("nodes_featureids", 0, 1, 0, 1)
        .tensor("nodes_splits", splits)
        .tensor("membership_values", doubles(2, 7, Double.NaN).to(dtype))
        .integers("nodes_truenodeids", 1, 0, 3, 4)
        .integers("nodes_trueleafs", 0, 1, 1, 1)
        .integers("nodes_falsenodeids", 2, 1, 3, 5)
        .integers("nodes_falseleafs", 1, 1, 0, 1)
        .integers("leaf_targetids", 0, 1, 0, 1, 0, 1)
        .tensor("leaf_weights", doubles(0.5, -0.25, 2, 0.125, -1, 3).to(dtype));
  }
}
