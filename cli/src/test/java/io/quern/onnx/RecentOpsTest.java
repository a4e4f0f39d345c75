package io.quern.onnx;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.DType;
import io.quern.Rng;
import io.quern.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;
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
    latest(cases);
    quantized(cases);
    signals(cases);
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

  private static void latest(List<NodeCase> cases) {
    cases.add(
        one(24, "Attention", "lengths")
            .in(2, 3, 4, 8)
            .in(2, 3, 6, 8)
            .in(2, 3, 6, 8)
            .none()
            .none()
            .none()
            .in(longs(4, 6)));
    cases.add(one(24, "TensorScatter", "").in(2, 3, 6, 4).in(2, 3, 2, 4).in(longs(1, 3)));
    cases.add(
        one(24, "TensorScatter", "circular")
            .in(2, 3, 6, 4)
            .in(2, 3, 2, 4)
            .in(longs(5, 3))
            .text("mode", "circular"));
    cases.add(one(26, "CumProd", "").in(3, 4).in(longs(1).reshape()));
    cases.add(
        one(26, "CumProd", "reverse")
            .in(3, 4)
            .in(longs(0).reshape())
            .integer("reverse", 1)
            .integer("exclusive", 1));
    cases.add(one(26, "BitCast", "").in(3, 4).integer("to", 6));
    Tensor keep = Tensor.of(new int[] {1, 0, 1, 1, 1, 1, 0, 0, 1, 1, 0, 1}, 3, 4).to(DType.BOOL);
    cases.add(one(23, "Attention", "truths").in(1, 2, 3, 8).in(1, 2, 4, 8).in(1, 2, 4, 8).in(keep));
    for (int mode = 0; mode < 4; mode++) {
      cases.add(
          one(23, "Attention", "products " + mode)
              .in(1, 2, 3, 8)
              .in(1, 2, 4, 8)
              .in(1, 2, 4, 8)
              .in(3, 6)
              .in(1, 2, 2, 8)
              .in(1, 2, 2, 8)
              .integer("qk_matmul_output_mode", mode)
              .number("softcap", 3)
              .outputs(4));
    }
    cases.add(one(18, "ReduceSum", "f16").in(halves(3, 8).to(DType.F16)).in(longs(1)));
    cases.add(one(18, "ReduceLogSum", "").in(halves(3, 8).abs().add(1)).in(longs(1)));
    cases.add(
        one(19, "DeformConv", "")
            .in(1, 2, 5, 5)
            .in(3, 2, 3, 3)
            .in(1, 18, 5, 5)
            .in(3)
            .in(1, 9, 5, 5)
            .integers("kernel_shape", 3, 3)
            .integers("pads", 1, 1, 1, 1));
    cases.add(
        one(18, "Col2Im", "padded")
            .in(2, 8, 6)
            .in(longs(4, 5))
            .in(longs(2, 2))
            .integers("strides", 2, 1)
            .integers("pads", 1, 0, 0, 0)
            .integers("dilations", 1, 2));
  }

  private static Tensor halves(long... shape) {
    return Rng.of(4).normal(shape).mul(4).to(DType.I32).to(DType.F32).mul(0.5);
  }

  private static void quantized(List<NodeCase> cases) {
    Tensor scales = Rng.of(5).normal(3, 2).abs().add(0.125);
    Tensor zeros = Tensor.of(new int[] {1, 2, 3, 4, 5, 6}, 3, 2);
    cases.add(
        one(21, "QuantizeLinear", "blocks")
            .in(3, 8)
            .in(scales)
            .in(zeros.to(DType.U8))
            .integer("axis", 1)
            .integer("block_size", 4));
    Tensor codes = Rng.of(6).normal(3, 8).mul(50).to(DType.I8);
    cases.add(
        one(21, "DequantizeLinear", "blocks")
            .in(codes)
            .in(scales)
            .in(zeros.to(DType.I8))
            .integer("axis", 1)
            .integer("block_size", 4));
    cases.add(
        one(21, "QuantizeLinear", "16 bits")
            .in(3, 8)
            .in(Tensor.of(new float[] {0.01f}).reshape())
            .in(Tensor.of(new int[] {5}).reshape().to(DType.I16)));
  }

  private static void signals(List<NodeCase> cases) {
    for (long inverse = 0; inverse < 2; inverse++) {
      cases.add(one(17, "DFT", "" + inverse).in(2, 6, 2).integer("inverse", inverse));
      cases.add(
          one(20, "DFT", "axis " + inverse)
              .in(2, 6, 3, 2)
              .none()
              .in(longs(1).reshape())
              .integer("inverse", inverse));
    }
    cases.add(one(20, "DFT", "one-sided").in(2, 7, 1).integer("onesided", 1));
    cases.add(one(20, "DFT", "longer").in(2, 6, 1).in(longs(9).reshape()));
  }

  @SuppressWarnings("ArrayRecordComponent") // not compared
  private record Narrow(ElementType type, long opset, double... values) {}

  /** Without infinities, of which the specification makes NaN in types that have none. */
  private static final double[] FRACTIONS = {
    0,
    -0.0,
    1,
    1.0625,
    1.1875,
    -3.3,
    17.5,
    0.0019,
    0.00098,
    447,
    448,
    465,
    500,
    1e-8,
    57344,
    60000,
    1e6,
    -1e6,
    0.4,
    0.75,
    5,
    5.5,
    7,
    -0.25,
    Double.NaN
  };

  /** Numbers that are rounded to a narrow type and read again. */
  @TestFactory
  Stream<DynamicTest> castsRoundAsOnnxRuntimeDoes() {
    double[] wholes = {0, 1, 2, 7, -1, -8, 3, 5};
    double[] naturals = {0, 1, 2, 7, 8, 15, 3};
    return Stream.of(
            new Narrow(ElementType.FLOAT8E4M3FN, 19, FRACTIONS),
            new Narrow(ElementType.FLOAT8E4M3FNUZ, 19, FRACTIONS),
            new Narrow(ElementType.FLOAT8E5M2, 19, FRACTIONS),
            new Narrow(ElementType.FLOAT8E5M2FNUZ, 19, FRACTIONS),
            new Narrow(ElementType.BFLOAT16, 19, FRACTIONS),
            new Narrow(ElementType.FLOAT16, 19, FRACTIONS),
            new Narrow(ElementType.INT4, 21, wholes),
            new Narrow(ElementType.UINT4, 21, naturals))
        .flatMap(
            narrow ->
                LongStream.rangeClosed(0, 1)
                    .mapToObj(
                        saturate ->
                            DynamicTest.dynamicTest(
                                narrow.type + " saturate " + saturate,
                                () -> cast(narrow, saturate))));
  }

  private static void cast(Narrow narrow, long saturate) throws Exception {
    ProtoWriter to = Models.node("Cast", "x", "narrow", "to", narrow.type.code());
    if (narrow.type.name().startsWith("FLOAT8")) {
      to.message(5, Models.attribute("saturate", saturate));
    }
    byte[] bytes =
        new Models()
            .opset(narrow.opset)
            .input(Models.value("x", 1, narrow.values.length))
            .output(Models.value("y", 1, narrow.values.length))
            .add(to)
            .add(Models.node("Cast", "narrow", "y", "to", 1).string(3, "back"))
            .bytes();
    Map<String, Tensor> x = Map.of("x", Tensor.of(narrow.values).to(DType.F32));
    try (OnnxRuntime runtime = new OnnxRuntime(bytes)) {
      assertThat(Models.parse(bytes).run(x).get("y").toDoubleArray())
          .isEqualTo(runtime.run(x).get("y"));
    }
  }
}
