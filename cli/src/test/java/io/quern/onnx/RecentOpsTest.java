package io.quern.onnx;

import io.quern.DType;
import io.quern.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** Operators that are new or changed since opset 18 give what ONNX Runtime gives. */
class RecentOpsTest {
  private static NodeCase one(long opset, String op, String remark) {
    return new NodeCase("", op, opset + " " + remark).opset(opset);
  }

  private static Tensor longs(long... values) {
    return Tensor.of(values);
  }

  @TestFactory
  Stream<DynamicTest> givesWhatOnnxRuntimeGives() {
    List<NodeCase> cases = new ArrayList<>();
    reductions(cases);
    shapes(cases);
    resizes(cases);
    pools(cases);
    elements(cases);
    scatters(cases);
    norms(cases);
    grids(cases);
    attention(cases);
    return cases.stream().map(NodeCase::test);
  }

  private static void reductions(List<NodeCase> cases) {
    for (String name :
        List.of("L1", "L2", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare")) {
      String op = "Reduce" + name;
      cases.add(one(18, op, "axes").in(3, 4, 5).in(longs(-1, 0)).integer("keepdims", 0));
      cases.add(one(18, op, "all").in(3, 4, 5));
      cases.add(one(18, op, "none").in(3, 4).in(longs()).integer("noop_with_empty_axes", 1));
    }
    Tensor truths = Tensor.of(new int[] {0, 1, 1, 0, 0, 0}, 3, 2).to(DType.BOOL);
    cases.add(one(20, "ReduceMax", "truths").in(truths).in(longs(1)));
    cases.add(one(20, "ReduceMin", "truths").in(truths).in(longs(0)));
  }

  private static void shapes(List<NodeCase> cases) {
    cases.add(one(18, "Split", "uneven").in(7, 2).integer("num_outputs", 3).outputs(3));
    cases.add(
        one(18, "Split", "axis").in(2, 8).integer("axis", -1).integer("num_outputs", 4).outputs(4));
    for (String mode : List.of("constant", "reflect", "edge")) {
      cases.add(
          one(18, "Pad", mode + " of axes")
              .in(2, 4, 5)
              .in(longs(1, 2, 2, 1))
              .in(Tensor.of(new float[] {0.5f}).reshape())
              .in(longs(-1, 1))
              .text("mode", mode));
    }
    cases.add(one(19, "Pad", "wrap").in(3, 4).in(longs(1, 2, 2, 1)).text("mode", "wrap"));
    cases.add(one(18, "CenterCropPad", "").in(7, 4).in(longs(4, 7)));
    cases.add(one(18, "CenterCropPad", "axes").in(3, 7, 4).in(longs(4, 7)).integers("axes", 1, -1));
    cases.add(
        one(18, "Col2Im", "")
            .in(2, 12, 6)
            .in(longs(4, 3))
            .in(longs(2, 2))
            .integers("strides", 1, 1));
    cases.add(one(21, "Squeeze", "axes").in(1, 3, 1).in(longs(-1)));
    cases.add(one(23, "Reshape", "").in(2, 6).in(longs(3, -1)));
    cases.add(one(21, "Transpose", "").in(2, 3, 4).integers("perm", 2, 0, 1));
  }

  private static NodeCase resize(long opset, String remark, String mode) {
    return one(opset, "Resize", mode + " " + remark).text("mode", mode);
  }

  private static void resizes(List<NodeCase> cases) {
    for (String mode : List.of("linear", "cubic")) {
      cases.add(
          resize(18, "antialias", mode)
              .in(1, 1, 9, 8)
              .none()
              .in(Tensor.of(new float[] {1, 1, 0.5f, 0.6f}))
              .integer("antialias", 1));
      cases.add(
          resize(18, "antialias to sizes", mode)
              .in(1, 2, 9, 8)
              .none()
              .none()
              .in(longs(1, 2, 4, 5))
              .integer("antialias", 1));
    }
    for (String mode : List.of("nearest", "linear", "cubic")) {
      for (String policy : List.of("stretch", "not_larger", "not_smaller")) {
        cases.add(
            resize(18, policy, mode)
                .in(1, 1, 4, 6)
                .none()
                .none()
                .in(longs(7, 8))
                .integers("axes", 2, 3)
                .text("keep_aspect_ratio_policy", policy));
      }
      cases.add(
          resize(19, "half_pixel_symmetric", mode)
              .in(1, 1, 4, 6)
              .none()
              .in(Tensor.of(new float[] {1, 1, 1.7f, 0.6f}))
              .text("coordinate_transformation_mode", "half_pixel_symmetric"));
    }
  }

  private static void pools(List<NodeCase> cases) {
    cases.add(
        one(19, "AveragePool", "dilated")
            .in(1, 2, 8, 8)
            .integers("kernel_shape", 2, 3)
            .integers("dilations", 2, 1));
    cases.add(
        one(19, "AveragePool", "padded, rounded up")
            .in(1, 1, 7, 7)
            .integers("kernel_shape", 3, 3)
            .integers("strides", 2, 2)
            .integers("pads", 1, 1, 1, 1)
            .integer("ceil_mode", 1)
            .integer("count_include_pad", 1));
    cases.add(one(18, "LpPool", "").in(1, 2, 6, 6).integers("kernel_shape", 2, 2).integer("p", 2));
    cases.add(
        one(22, "MaxPool", "")
            .in(1, 2, 6, 6)
            .integers("kernel_shape", 3, 3)
            .integers("strides", 2, 2));
  }

  private static void elements(List<NodeCase> cases) {
    cases.add(one(18, "Mish", "").in(4, 5));
    cases.add(one(20, "Gelu", "").in(4, 5));
    cases.add(one(20, "Gelu", "tanh").in(4, 5).text("approximate", "tanh"));
    cases.add(one(24, "Swish", "").in(4, 5).number("alpha", 1.5f));
    Tensor a = Tensor.of(new int[] {12, -7, 255, 0});
    Tensor b = Tensor.of(new int[] {10, 3, -1, 77});
    for (String op : List.of("And", "Or", "Xor")) {
      cases.add(one(18, "Bitwise" + op, "").in(a).in(b));
    }
    cases.add(one(18, "BitwiseNot", "").in(a));
    cases.add(
        one(20, "IsInf", "").in(Tensor.of(new float[] {1, Float.POSITIVE_INFINITY, Float.NaN})));
    cases.add(one(24, "TopK", "").in(3, 6).in(longs(2)).outputs(2));
    cases.add(one(22, "HardSwish", "").in(4, 5));
  }

  private static void scatters(List<NodeCase> cases) {
    for (String reduction : List.of("add", "mul", "max", "min")) {
      cases.add(
          one(18, "ScatterElements", reduction)
              .in(4, 3)
              .in(Tensor.of(new long[] {0, 3, 0, 1, 2, 0}, 2, 3))
              .in(2, 3)
              .text("reduction", reduction));
      cases.add(
          one(18, "ScatterND", reduction)
              .in(4, 3)
              .in(Tensor.of(new long[] {3, 0, 3}, 3, 1))
              .in(3, 3)
              .text("reduction", reduction));
    }
  }

  private static void norms(List<NodeCase> cases) {
    cases.add(
        one(17, "LayerNormalization", "")
            .in(2, 3, 8)
            .in(8)
            .in(8)
            .number("epsilon", 1e-3f)
            .outputs(3));
    cases.add(
        one(17, "LayerNormalization", "axis").in(2, 3, 8).in(3, 8).in(3, 8).integer("axis", 1));
    cases.add(
        one(21, "GroupNormalization", "").in(2, 6, 3, 4).in(6).in(6).integer("num_groups", 3));
    cases.add(one(23, "RMSNormalization", "").in(2, 3, 8).in(8));
    cases.add(
        one(23, "RMSNormalization", "axis")
            .in(2, 3, 8)
            .in(3, 8)
            .integer("axis", -2)
            .number("epsilon", 1e-2f));
  }

  private static void grids(List<NodeCase> cases) {
    for (long corners = 0; corners < 2; corners++) {
      cases.add(
          one(20, "AffineGrid", "2-D " + corners)
              .in(2, 2, 3)
              .in(longs(2, 3, 4, 5))
              .integer("align_corners", corners));
      cases.add(
          one(20, "AffineGrid", "3-D " + corners)
              .in(1, 3, 4)
              .in(longs(1, 2, 3, 4, 5))
              .integer("align_corners", corners));
      for (String mode : List.of("linear", "nearest", "cubic")) {
        for (String padding : List.of("zeros", "border", "reflection")) {
          cases.add(
              one(20, "GridSample", mode + " " + padding + " " + corners)
                  .in(1, 2, 4, 5)
                  .in(1, 3, 3, 2)
                  .text("mode", mode)
                  .text("padding_mode", padding)
                  .integer("align_corners", corners));
        }
      }
      cases.add(
          one(20, "GridSample", "3-D " + corners)
              .in(1, 2, 3, 4, 5)
              .in(1, 2, 3, 3, 3)
              .integer("align_corners", corners));
    }
  }

  private static void attention(List<NodeCase> cases) {
    for (long causal = 0; causal < 2; causal++) {
      cases.add(
          one(23, "Attention", "heads " + causal)
              .in(2, 3, 4, 8)
              .in(2, 3, 6, 8)
              .in(2, 3, 6, 8)
              .integer("is_causal", causal));
      cases.add(
          one(23, "Attention", "groups " + causal)
              .in(2, 4, 4, 8)
              .in(2, 2, 4, 8)
              .in(2, 2, 4, 8)
              .integer("is_causal", causal)
              .number("scale", 0.3f));
      cases.add(
          one(23, "Attention", "rows " + causal)
              .in(2, 4, 24)
              .in(2, 5, 24)
              .in(2, 5, 24)
              .integer("q_num_heads", 3)
              .integer("kv_num_heads", 3)
              .integer("is_causal", causal));
      cases.add(
          one(23, "Attention", "past " + causal)
              .in(2, 3, 4, 8)
              .in(2, 3, 4, 8)
              .in(2, 3, 4, 8)
              .none()
              .in(2, 3, 5, 8)
              .in(2, 3, 5, 8)
              .integer("is_causal", causal)
              .outputs(3));
    }
    cases.add(one(23, "Attention", "mask").in(2, 3, 4, 8).in(2, 3, 6, 8).in(2, 3, 6, 8).in(4, 6));
    cases.add(
        one(23, "Attention", "softcap")
            .in(2, 3, 4, 8)
            .in(2, 3, 6, 8)
            .in(2, 3, 6, 8)
            .number("softcap", 2));
    for (long interleaved = 0; interleaved < 2; interleaved++) {
      Tensor positions = Tensor.of(new long[] {0, 1, 2, 3, 4, 5}, 2, 3);
      cases.add(
          one(23, "RotaryEmbedding", "heads " + interleaved)
              .in(2, 4, 3, 8)
              .in(10, 4)
              .in(10, 4)
              .in(positions)
              .integer("interleaved", interleaved));
      cases.add(
          one(23, "RotaryEmbedding", "rows " + interleaved)
              .in(2, 3, 16)
              .in(10, 4)
              .in(10, 4)
              .in(positions)
              .integer("num_heads", 2)
              .integer("interleaved", interleaved));
      cases.add(
          one(23, "RotaryEmbedding", "in part " + interleaved)
              .in(2, 4, 3, 8)
              .in(10, 2)
              .in(10, 2)
              .in(positions)
              .integer("rotary_embedding_dim", 4)
              .integer("interleaved", interleaved));
      cases.add(
          one(23, "RotaryEmbedding", "no positions " + interleaved)
              .in(2, 4, 3, 8)
              .in(2, 3, 4)
              .in(2, 3, 4)
              .integer("interleaved", interleaved));
    }
  }
}
