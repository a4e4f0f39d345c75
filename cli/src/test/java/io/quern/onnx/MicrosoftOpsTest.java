package io.quern.onnx;

import io.quern.DType;
import io.quern.Device;
import io.quern.Rng;
import io.quern.Shape;
import io.quern.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** Operators of com.microsoft, each as a model of one node, give what ONNX Runtime gives. */
class MicrosoftOpsTest {
  private static final Rng RNG = Rng.of(11);
  private static final int HEADS = 3;

  private static Tensor bytes(DType dtype, int low, int high, long... shape) {
    return RNG.uniform(Shape.of(shape), low, high, DType.F32, Device.cpu()).to(dtype);
  }

  private static Tensor ids(int high, long... shape) {
    return bytes(DType.I32, 0, high, shape);
  }

  private static Tensor scale(double value) {
    return Tensor.full(value, DType.F32, Device.cpu());
  }

  private static Tensor zero(DType dtype, double value) {
    return Tensor.full(value, dtype, Device.cpu());
  }

  private static NodeCase one(String op, String remark) {
    return new NodeCase("com.microsoft", op, remark);
  }

  @TestFactory
  Stream<DynamicTest> givesWhatOnnxRuntimeGives() {
    List<NodeCase> cases = new ArrayList<>();
    products(cases::add);
    activations(cases::add);
    normalisations(cases::add);
    attentions(cases::add);
    caches(cases::add);
    groupedAttentions(cases::add);
    quantised(cases::add);
    return cases.stream().map(NodeCase::test);
  }

  private static void products(Consumer<NodeCase> cases) {
    cases.accept(
        one("FusedMatMul", "turned")
            .in(2, 5, 3)
            .in(2, 4, 5)
            .integer("transA", 1)
            .integer("transB", 1)
            .number("alpha", 0.5f));
    cases.accept(one("FusedMatMul", "plain").in(3, 5).in(5, 7));
    cases.accept(
        one("FusedConv", "relu").in(1, 3, 8, 8).in(4, 3, 3, 3).in(4).text("activation", "Relu"));
    for (String activation : List.of("Relu", "LeakyRelu", "Tanh", "Sigmoid")) {
      cases.accept(
          one("FusedGemm", activation)
              .in(5, 4)
              .in(3, 5)
              .in(3)
              .integer("transA", 1)
              .integer("transB", 1)
              .number("alpha", 0.5f)
              .number("beta", 2)
              .text("activation", activation)
              .number("activation_alpha", 0.25f));
    }
    cases.accept(
        one("DynamicQuantizeMatMul", "bias")
            .in(4, 16)
            .in(bytes(DType.I8, -100, 100, 16, 6))
            .in(scale(0.02))
            .in(zero(DType.I8, 0))
            .in(6));
    cases.accept(
        one("MatMulIntegerToFloat", "bias")
            .in(bytes(DType.U8, 0, 255, 4, 16))
            .in(bytes(DType.I8, -100, 100, 16, 6))
            .in(scale(0.01))
            .in(scale(0.02))
            .in(zero(DType.U8, 120))
            .in(zero(DType.I8, 3))
            .in(6));
    cases.accept(packedProduct("4 bits", 3, 40, 5, 4, 32));
    cases.accept(packedProduct("one row", 1, 64, 70, 4, 16));
    cases.accept(packedProduct("8 bits", 9, 50, 5, 8, 32));
    cases.accept(packedProduct("zero points", 3, 64, 5, 4, 32).in(bytes(DType.U8, 0, 255, 5)));
    cases.accept(
        packedProduct("zero points, bias", 1, 40, 5, 4, 16)
            .in(bytes(DType.U8, 0, 255, 5 * 2))
            .none()
            .in(5));
    cases.accept(
        packedProduct("8 bits, zero points", 2, 64, 5, 8, 32).in(bytes(DType.U8, 0, 255, 5 * 2)));
  }

  private static NodeCase packedProduct(
      String remark, long m, long k, long n, int bits, int block) {
    long blocks = (k + block - 1) / block;
    return one("MatMulNBits", remark)
        .in(m, k)
        .in(bytes(DType.U8, 0, 255, n, blocks, (long) block * bits / 8))
        .in(n * blocks)
        .integer("K", k)
        .integer("N", n)
        .integer("bits", bits)
        .integer("block_size", block);
  }

  private static void activations(Consumer<NodeCase> cases) {
    cases.accept(one("Gelu", "").in(4, 33));
    cases.accept(one("BiasGelu", "").in(4, 33).in(33));
    cases.accept(one("FastGelu", "bias").in(4, 33).in(33));
    cases.accept(one("FastGelu", "plain").in(4, 33));
    cases.accept(one("QuickGelu", "").in(4, 33));
  }

  private static void normalisations(Consumer<NodeCase> cases) {
    cases.accept(
        one("SkipLayerNormalization", "bias")
            .in(2, 5, 16)
            .in(2, 5, 16)
            .in(16)
            .in(16)
            .in(16)
            .number("epsilon", 1e-5f));
    cases.accept(one("SkipLayerNormalization", "plain").in(2, 5, 16).in(2, 5, 16).in(16).in(16));
    cases.accept(one("SkipSimplifiedLayerNormalization", "").in(2, 5, 16).in(2, 5, 16).in(16));
    cases.accept(
        new NodeCase("", "SimplifiedLayerNormalization", "")
            .in(2, 5, 16)
            .in(16)
            .number("epsilon", 1e-3f)
            .outputs(2));
    cases.accept(
        one("EmbedLayerNormalization", "segments, mask")
            .in(ids(30, 2, 6))
            .in(ids(2, 2, 6))
            .in(30, 16)
            .in(10, 16)
            .in(2, 16)
            .in(16)
            .in(16)
            .in(mask())
            .outputs(2));
  }

  /** Two sentences of 6 and 4 words. */
  private static Tensor mask() {
    return Tensor.of(new int[] {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0}, 2, 6);
  }

  private static NodeCase attention(String remark) {
    return one("Attention", remark).in(2, 6, 12).in(12, 36).in(36).integer("num_heads", HEADS);
  }

  private static NodeCase multiHead(String remark) {
    return one("MultiHeadAttention", remark)
        .in(2, 6, 12)
        .in(2, 6, 12)
        .in(2, 6, 12)
        .integer("num_heads", HEADS);
  }

  private static void attentions(Consumer<NodeCase> cases) {
    cases.accept(attention("plain"));
    cases.accept(attention("mask").in(mask()));
    cases.accept(attention("lengths").in(Tensor.of(new int[] {6, 4})));
    cases.accept(attention("causal").integer("unidirectional", 1));
    cases.accept(multiHead("plain"));
    cases.accept(multiHead("bias, mask").in(36).in(mask()));
    cases.accept(multiHead("scores added").none().none().in(1, HEADS, 6, 6));
    cases.accept(
        one("QAttention", "mask")
            .in(bytes(DType.U8, 0, 255, 2, 6, 12))
            .in(bytes(DType.I8, -100, 100, 12, 36))
            .in(36)
            .in(scale(0.01))
            .in(scale(0.02))
            .in(mask())
            .in(zero(DType.U8, 120))
            .in(zero(DType.I8, 0))
            .integer("num_heads", HEADS));
    cases.accept(
        one("RotaryEmbedding", "interleaved")
            .in(2, 6, 12)
            .in(bytes(DType.I64, 0, 10, 2, 6))
            .in(10, 2)
            .in(10, 2)
            .integer("interleaved", 1));
    cases.accept(
        one("RotaryEmbedding", "offset")
            .in(2, HEADS, 6, 4)
            .in(Tensor.of(new long[] {2}))
            .in(10, 2)
            .in(10, 2));
  }

  private static void caches(Consumer<NodeCase> cases) {
    for (long causal = 0; causal < 2; causal++) {
      cases.accept(
          attention("past " + causal)
              .none()
              .in(2, 2, HEADS, 5, 4)
              .integer("unidirectional", causal)
              .outputs(2));
      cases.accept(
          multiHead("past " + causal)
              .none()
              .none()
              .none()
              .in(2, HEADS, 5, 4)
              .in(2, HEADS, 5, 4)
              .integer("unidirectional", causal)
              .outputs(3));
    }
    cases.accept(
        one("QAttention", "past")
            .in(bytes(DType.U8, 0, 255, 2, 6, 12))
            .in(bytes(DType.I8, -100, 100, 12, 36))
            .in(36)
            .in(scale(0.01))
            .in(scale(0.02))
            .none()
            .in(zero(DType.U8, 120))
            .in(zero(DType.I8, 0))
            .in(2, 2, HEADS, 5, 4)
            .integer("num_heads", HEADS)
            .integer("unidirectional", 1)
            .outputs(2));
    cases.accept(attention("ends and starts").in(Tensor.of(new int[] {6, 5, 0, 2})));
  }

  /** Grouped attention of 4 heads of queries and 2 of keys. */
  private static NodeCase grouped(String remark, long rows) {
    return one("GroupQueryAttention", remark)
        .in(2, rows, 64)
        .in(2, rows, 32)
        .in(2, rows, 32)
        .integer("num_heads", 4)
        .integer("kv_num_heads", 2);
  }

  private static NodeCase lengths(NodeCase node, int total) {
    return node.in(Tensor.of(new int[] {total - 1, total - 1})).in(Tensor.of(new int[] {total}));
  }

  private static void groupedAttentions(Consumer<NodeCase> cases) {
    cases.accept(lengths(grouped("prompt", 6).none().none(), 6).outputs(3));
    cases.accept(
        lengths(grouped("step", 1).in(2, 2, 5, 16).in(2, 2, 5, 16), 6)
            .in(10, 8)
            .in(10, 8)
            .integer("do_rotary", 1)
            .outputs(3));
    cases.accept(
        lengths(grouped("prompt, rotary, softcap", 6).none().none(), 6)
            .in(10, 8)
            .in(10, 8)
            .integer("do_rotary", 1)
            .integer("rotary_interleaved", 1)
            .number("softcap", 2)
            .number("scale", 0.5f)
            .outputs(3));
    cases.accept(
        lengths(grouped("window", 6).none().none(), 6).integer("local_window_size", 2).outputs(3));
    cases.accept(
        lengths(grouped("window, step", 1).in(2, 2, 5, 16).in(2, 2, 5, 16), 6)
            .integer("local_window_size", 2)
            .outputs(3));
    cases.accept(
        lengths(grouped("scores added", 1).in(2, 2, 5, 16).in(2, 2, 5, 16), 6)
            .none()
            .none()
            .none()
            .in(2, 1, 1, 6)
            .outputs(3));
    cases.accept(
        lengths(
                one("GroupQueryAttention", "packed")
                    .in(2, 6, 128)
                    .none()
                    .none()
                    .integer("num_heads", 4)
                    .integer("kv_num_heads", 2)
                    .none()
                    .none(),
                6)
            .outputs(3));
    cases.accept(
        one("GroupQueryAttention", "lengths differ")
            .in(2, 1, 64)
            .in(2, 1, 32)
            .in(2, 1, 32)
            .integer("num_heads", 4)
            .integer("kv_num_heads", 2)
            .in(2, 2, 8, 16)
            .in(2, 2, 8, 16)
            .in(Tensor.of(new int[] {5, 3}))
            .in(Tensor.of(new int[] {6}))
            .in(10, 8)
            .in(10, 8)
            .integer("do_rotary", 1)
            .none()
            .in(1, 4, 1, 6)
            .outputs(3));
  }

  private static NodeCase withScale(NodeCase node, DType dtype, double scale, double zero) {
    return node.in(scale(scale)).in(zero(dtype, zero));
  }

  private static void quantised(Consumer<NodeCase> cases) {
    for (DType dtype : List.of(DType.U8, DType.I8)) {
      int low = dtype == DType.U8 ? 0 : -128;
      for (String op : List.of("QLinearSigmoid", "QLinearLeakyRelu")) {
        NodeCase node = one(op, dtype + "").in(bytes(dtype, low, low + 255, 4, 33));
        withScale(node, dtype, 0.05, low + 120);
        cases.accept(withScale(node, dtype, 0.02, low + 9).bytes());
      }
      NodeCase product = one("QLinearMul", dtype + "").in(bytes(dtype, low, low + 255, 4, 33));
      withScale(product, dtype, 0.05, low + 120).in(bytes(dtype, low, low + 255, 33));
      withScale(product, dtype, 0.03, low + 100);
      cases.accept(withScale(product, dtype, 0.1, low + 128).bytes());

      NodeCase joined = withScale(one("QLinearConcat", dtype + ""), dtype, 0.05, low + 120);
      joined.in(bytes(dtype, low, low + 255, 4, 3));
      withScale(joined, dtype, 0.05, low + 120).in(bytes(dtype, low, low + 255, 4, 5));
      cases.accept(withScale(joined, dtype, 0.02, low + 90).integer("axis", 1).bytes());

      for (long last = 0; last < 2; last++) {
        NodeCase pool =
            one("QLinearAveragePool", dtype + " " + last)
                .in(bytes(dtype, low, low + 255, 2, 6, 6, 6));
        withScale(pool, dtype, 0.05, low + 120)
            .integers("kernel_shape", 3, 2)
            .integers("strides", 2, 1)
            .integers("pads", 1, 0, 1, 0)
            .integer("channels_last", last);
        cases.accept(withScale(pool, dtype, 0.04, low + 100).bytes());
        NodeCase all =
            one("QLinearGlobalAveragePool", dtype + " " + last)
                .in(bytes(dtype, low, low + 255, 2, 3, 5, 7));
        withScale(all, dtype, 0.05, low + 120).integer("channels_last", last);
        cases.accept(withScale(all, dtype, 0.02, low + 100).bytes());
      }
    }
    for (long opset : new long[] {12, 13}) {
      NodeCase softmax =
          one("QLinearSoftmax", "opset " + opset).in(bytes(DType.U8, 0, 255, 3, 4, 5));
      withScale(softmax, DType.U8, 0.05, 120).integer("opset", opset).integer("axis", 1);
      cases.accept(withScale(softmax, DType.U8, 1 / 256.0, 0).bytes());
    }
  }
}
