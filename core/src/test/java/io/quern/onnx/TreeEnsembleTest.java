package io.quern.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** TreeEnsemble of version 5 of ai.onnx.ml, by the examples of the specification. */
class TreeEnsembleTest {
  private static final int LEQ = 0;
  private static final int MEMBER = 6;

  private static ProtoWriter vector(String name, Tensor values) {
    int type = ElementType.of(values.dtype()).code();
    return Models.attribute(
        name, Models.tensor(name, type, values.size()).bytes(9, values.toByteArray()));
  }

  private static ProtoWriter modes(int... modes) {
    return vector("nodes_modes", Tensor.of(modes).to(DType.U8));
  }

  private static Tensor run(ProtoWriter node, Tensor x) {
    OnnxModel model =
        new Models()
            .mlOpset(5)
            .input(Models.value("x", ElementType.of(x.dtype()).code(), x.shape().toArray()))
            .output(new ProtoWriter().string(1, "y"))
            .add(node.string(7, "ai.onnx.ml"))
            .model();
    return model.run(Map.of("x", x)).get("y");
  }

  private static ProtoWriter singleTree(DType dtype) {
    Tensor splits = Tensor.of(new double[] {3.14, 1.2, 4.2}).to(dtype);
    Tensor weights = Tensor.of(new double[] {5.23, 12.12, -12.23, 7.21}).to(dtype);
    return Models.node("TreeEnsemble", "x", "y")
        .message(5, Models.attribute("n_targets", 2))
        .message(5, Models.attribute("tree_roots", new long[] {0}))
        .message(5, modes(LEQ, LEQ, LEQ))
        .message(5, Models.attribute("nodes_featureids", 0, 0, 0))
        .message(5, vector("nodes_splits", splits))
        .message(5, Models.attribute("nodes_truenodeids", 1, 0, 1))
        .message(5, Models.attribute("nodes_trueleafs", 0, 1, 1))
        .message(5, Models.attribute("nodes_falsenodeids", 2, 2, 3))
        .message(5, Models.attribute("nodes_falseleafs", 0, 1, 1))
        .message(5, Models.attribute("leaf_targetids", 0, 1, 0, 1))
        .message(5, vector("leaf_weights", weights));
  }

  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"F16", "F32", "F64"})
  void rowsOfSingleTree(DType dtype) {
    double[] rows = {1.2, 3.4, -0.12, 1.66, 4.14, 1.77};
    Tensor y = run(singleTree(dtype), Tensor.of(rows, 3, 2).to(dtype));
    assertThat(y.dtype()).isEqualTo(dtype);
    assertThat(y.shape()).isEqualTo(Shape.of(3, 2));
    double[] expected = {5.23, 0, 5.23, 0, 0, 12.12};
    assertThat(y.toDoubleArray()).isEqualTo(Tensor.of(expected).to(dtype).toDoubleArray());
  }

  @Test
  void setMembership() {
    float nan = Float.NaN;
    ProtoWriter node =
        Models.node("TreeEnsemble", "x", "y")
            .message(5, Models.attribute("n_targets", 4))
            .message(5, Models.attribute("tree_roots", new long[] {0}))
            .message(5, modes(LEQ, MEMBER, MEMBER))
            .message(5, Models.attribute("nodes_featureids", 0, 0, 0))
            .message(5, vector("nodes_splits", Tensor.of(new float[] {11, 232344, nan})))
            .message(
                5,
                vector(
                    "membership_values",
                    Tensor.of(new float[] {1.2f, 3.7f, 8, 9, nan, 12, 7, nan})))
            .message(5, Models.attribute("nodes_truenodeids", 1, 0, 1))
            .message(5, Models.attribute("nodes_trueleafs", 0, 1, 1))
            .message(5, Models.attribute("nodes_falsenodeids", 2, 2, 3))
            .message(5, Models.attribute("nodes_falseleafs", 1, 0, 1))
            .message(5, Models.attribute("leaf_targetids", 0, 1, 2, 3))
            .message(5, vector("leaf_weights", Tensor.of(new float[] {1, 10, 1000, 100})));
    Tensor y = run(node, Tensor.of(new float[] {1.2f, 3.4f, -0.12f, nan, 12, 7}, 6, 1));
    assertThat(y.toDoubleArray())
        .containsExactly(
            1, 0, 0, 0, 0, 0, 0, 100, 0, 0, 0, 100, 0, 0, 1000, 0, 0, 0, 1000, 0, 0, 10, 0, 0);
  }

  /** The transform with number 1 is the softmax. */
  @Test
  void transformsByNumber() {
    ProtoWriter node = singleTree(DType.F32).message(5, Models.attribute("post_transform", 1));
    Tensor y = run(node, Tensor.of(new float[] {1.2f, 3.4f}, 1, 2));
    Tensor scores = Tensor.of(new float[] {5.23f, 0}, 1, 2);
    assertThat(y.toFloatArray()).isEqualTo(scores.softmax(1).toFloatArray());
  }

  @Test
  void nodesThatAreNotThereAreRefused() {
    Tensor x = Tensor.ones(1, 2);
    assertThatThrownBy(
            () ->
                run(
                    singleTree(DType.F32)
                        .message(5, Models.attribute("nodes_truenodeids", 1, 9, 1)),
                    x))
        .hasMessageContaining("node 9 is out of range for nodes_truenodeids");
    assertThatThrownBy(() -> run(singleTree(DType.F32), Tensor.ones(1, 0)))
        .hasMessageContaining("feature 0 is out of range");
    assertThatThrownBy(
            () -> run(singleTree(DType.F32).message(5, Models.attribute("post_transform", 5)), x))
        .hasMessageContaining("post_transform is 5, expected 0 to 4");
  }
}
