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
}
