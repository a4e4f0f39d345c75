package io.quern.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Element types that have no dtype of their own are made, kept and seen as bits. */
class ElementTypesTest {
  private static final double INFINITE = Double.POSITIVE_INFINITY;

  private static OnnxValue.Dense of(ElementType type, double... values) {
    DType dtype = type.dtype();
    assertThat(dtype).isNotNull();
    return new OnnxValue.Dense(Tensor.of(values).to(dtype), type);
  }

  private static OneNode cast(ElementType to, double... values) {
    return new OneNode("Cast", 25).in(Tensor.of(values)).integer("to", to.code());
  }

  @Test
  void powersOfTwoRoundAsTheModeSays() {
    double[] values = {0.124, 0.25, 1.1, 1.5, 1.75, 4, 0x1p-127, 0x1.8p-127, 0x1p127, 0};
    cast(ElementType.FLOAT8E8M0, values)
        .gives(
            ElementType.FLOAT8E8M0, 0.125, 0.25, 2, 2, 2, 4, 0x1p-127, 0x1p-126, 0x1p127, 0x1p-127);
    cast(ElementType.FLOAT8E8M0, values)
        .text("round_mode", "down")
        .gives(0.0625, 0.25, 1, 1, 1, 4, 0x1p-127, 0x1p-127, 0x1p127, 0x1p-127);
    cast(ElementType.FLOAT8E8M0, values)
        .text("round_mode", "nearest")
        .gives(0.125, 0.25, 1, 2, 2, 4, 0x1p-127, 0x1p-126, 0x1p127, 0x1p-127);
    assertThatThrownBy(() -> cast(ElementType.FLOAT8E8M0, values).text("round_mode", "odd").both(0))
        .hasMessageContaining("round_mode must be up, down or nearest, found 'odd'");
  }

  @Test
  void powersOfTwoOutOfRangeSaturateOrAreNan() {
    double[] values = {INFINITE, 0x1.8p127, 0x1p-140, Double.NaN};
    cast(ElementType.FLOAT8E8M0, values).gives(0x1p127, 0x1p127, 0x1p-127, Double.NaN);
    cast(ElementType.FLOAT8E8M0, values)
        .integer("saturate", 0)
        .text("round_mode", "nearest")
        .gives(Double.NaN, Double.NaN, Double.NaN, Double.NaN);
    cast(ElementType.FLOAT8E8M0, 0).integer("saturate", 0).gives(Double.NaN);
  }

  /** The tables of Cast-19 and Cast-24 differ in this. */
  @Test
  void infinitiesSaturateInAllTypesSinceVersion24() {
    for (ElementType type : List.of(ElementType.FLOAT8E4M3FNUZ, ElementType.FLOAT8E5M2FNUZ)) {
      double largest = SmallFloat.of(type).largest();
      cast(type, INFINITE, -INFINITE).gives(largest, -largest);
      cast(type, INFINITE).integer("saturate", 0).gives(Double.NaN);
      new OneNode("Cast", 23)
          .in(Tensor.of(new double[] {INFINITE}))
          .integer("to", type.code())
          .gives(Double.NaN);
    }
  }

  /** Neighbours are 0.125 apart up to 2, or 0.0625 up to 0.5, and twice that beyond each power. */
  @Test
  void floatsOfSixBitsRoundToTheNearest() {
    double[] values = {0.0625, 0.1875, 1.0625, 2.125, 3.9375, 5.75, 7.5, 7.8, 25, -30, -0.0};
    cast(ElementType.FLOAT6E2M3, values)
        .gives(ElementType.FLOAT6E2M3, 0, 0.25, 1, 2, 4, 6, 7.5, 7.5, 7.5, -7.5, -0.0);
    double[] wide = {0.03125, 0.09375, 0.28125, 1.125, 13, 25, 28, 31, -INFINITE, -0.0};
    cast(ElementType.FLOAT6E3M2, wide)
        .gives(ElementType.FLOAT6E3M2, 0, 0.125, 0.25, 1, 12, 24, 28, 28, -28, -0.0);
  }

  @Test
  void nanIsNegativeZeroWhereThereIsNone() {
    for (ElementType type :
        List.of(ElementType.FLOAT4E2M1, ElementType.FLOAT6E2M3, ElementType.FLOAT6E3M2)) {
      cast(type, Double.NaN, INFINITE).gives(-0.0, SmallFloat.of(type).largest());
    }
  }

  /** The codes 1, 8, 31, 32 and 63: the low bits of a byte belong to the earlier element. */
  @Test
  void floatsOfSixBitsAreReadFromBitsAndFromNumbers() {
    int[] codes = {1, 8, 31, 32, 63};
    byte[] raw = {0x01, (byte) 0xF2, (byte) 0x81, 0x3F};
    double[] expected = {0.125, 1, 7.5, -0.0, -7.5};
    ProtoWriter packed = Models.tensor("x", ElementType.FLOAT6E2M3.code(), 5).bytes(9, raw);
    ProtoWriter listed = Models.tensor("x", ElementType.FLOAT6E2M3.code(), 5);
    for (int code : codes) {
      listed.varint(5, code);
    }
    for (ProtoWriter constant : List.of(packed, listed)) {
      OnnxModel model =
          new Models()
              .opset(28)
              .constant(constant)
              .output(new ProtoWriter().string(1, "y"))
              .add(Models.node("Cast", "x", "y", "to", ElementType.FLOAT.code()))
              .model();
      assertThat(model.run(Map.of()).get("y").toDoubleArray()).containsExactly(expected);
    }
  }

  private static OneNode shorts(String op, double... values) {
    return new OneNode(op, 28).in(of(ElementType.BFLOAT16, values));
  }

  @Test
  void bfloat16GoesThroughOperatorsThatHaveItSinceVersion28() {
    ElementType type = ElementType.BFLOAT16;
    Tensor truths = Tensor.of(new int[] {1, 0, 1}).to(DType.BOOL);
    shorts("Compress", 0.5, 3, -7).in(truths).gives(type, 0.5, -7);
    shorts("Unique", 3, -7, 3, 0.5).gives(type, -7, 0.5, 3);
    shorts("Einsum", 0.5, 3, -7)
        .in(of(type, 2, 4, 1))
        .text("equation", "i,i->i")
        .gives(type, 1, 12, -7);
    new OneNode("OneHot", 28)
        .in(Tensor.of(new long[] {1}))
        .in(Tensor.of(new long[] {2}))
        .in(of(type, -0.5, 3))
        .gives(type, -0.5, 3);
    new OneNode("ReverseSequence", 28)
        .in(Tensor.of(new double[] {1, 2, 3, 4}, 2, 2).to(DType.BF16))
        .in(Tensor.of(new long[] {2, 1}))
        .gives(type, 3, 2, 1, 4);
  }

  /** The scale is 0.5: 1.2 is 2.4, for which 2.5 is next, and 100 is more than there is. */
  @Test
  void floatsOfSixBitsAreQuantized() {
    Tensor scale = Tensor.of(new float[] {0.5f}).reshape();
    new OneNode("QuantizeLinear", 28)
        .in(Tensor.of(new float[] {1.2f, -3, 100}))
        .in(scale)
        .integer("output_dtype", ElementType.FLOAT6E2M3.code())
        .gives(ElementType.FLOAT6E2M3, 2.5, -6, 7.5);
    new OneNode("DequantizeLinear", 28)
        .in(of(ElementType.FLOAT6E3M2, 28, -0.0625))
        .in(scale)
        .gives(ElementType.FLOAT, 14, -0.03125);
  }

  private static OneNode bits(OnnxValue value, ElementType to) {
    return new OneNode("BitCast", 26).in(value).integer("to", to.code());
  }

  @Test
  void bitsAreThoseOfTheElementType() {
    bits(of(ElementType.INT4, -8, -1, 7, 0), ElementType.UINT4)
        .gives(ElementType.UINT4, 8, 15, 7, 0);
    bits(of(ElementType.UINT4, 9, 7, 15), ElementType.FLOAT4E2M1)
        .gives(ElementType.FLOAT4E2M1, -0.5, 6, -6);
    bits(of(ElementType.FLOAT8E4M3FN, 448, -0.0, 1), ElementType.UINT8)
        .gives(ElementType.UINT8, 0x7E, 0x80, 0x38);
    bits(of(ElementType.UINT8, 0, 127, 255), ElementType.FLOAT8E8M0)
        .gives(ElementType.FLOAT8E8M0, 0x1p-127, 1, Double.NaN);
    bits(of(ElementType.FLOAT8E8M0, Double.NaN), ElementType.INT8).gives(ElementType.INT8, -1);
    bits(of(ElementType.UINT8, 0, 1, 2), ElementType.BOOL).gives(ElementType.BOOL, 0, 1, 1);
    bits(of(ElementType.FLOAT, 1), ElementType.UINT32).gives(ElementType.UINT32, 0x3F800000);
  }

  @Test
  void bitsThatDoNotFitAreRefused() {
    assertThatThrownBy(() -> bits(of(ElementType.FLOAT8E5M2, 1), ElementType.FLOAT).both(0))
        .hasMessageContaining("elements have 8 bits, expected 32");
    assertThatThrownBy(() -> bits(of(ElementType.INT4, 1), ElementType.UINT8).both(0))
        .hasMessageContaining("elements have 4 bits, expected 8");
    assertThatThrownBy(
            () -> bits(of(ElementType.FLOAT8E5M2, 1, Double.NaN), ElementType.UINT8).both(0))
        .hasMessageContaining("element 1 of the input is NaN");
  }

  @Test
  void paddingKeepsTypesAndLargeNumbers() {
    Tensor one = Tensor.of(new long[] {1, 1});
    new OneNode("Pad", 21)
        .in(of(ElementType.INT4, 3, -4))
        .in(one)
        .in(new OnnxValue.Dense(of(ElementType.INT4, -8).tensor().reshape(), ElementType.INT4))
        .gives(ElementType.INT4, -8, 3, -4, -8);
    new OneNode("Pad", 21)
        .in(of(ElementType.FLOAT8E5M2, 0.5))
        .in(one)
        .text("mode", "edge")
        .gives(ElementType.FLOAT8E5M2, 0.5, 0.5, 0.5);
    for (long fill : new long[] {Long.MAX_VALUE, Long.MIN_VALUE, (1L << 53) + 1, -7}) {
      new OneNode("Pad", 21)
          .in(Tensor.of(new long[] {5}))
          .in(one)
          .in(Tensor.of(new long[] {fill}).reshape())
          .gives(fill, 5, fill);
    }
    new OneNode("Pad", 21)
        .in(Tensor.of(new int[] {0}).to(DType.BOOL))
        .in(one)
        .in(Tensor.of(new int[] {1}).to(DType.BOOL).reshape())
        .gives(ElementType.BOOL, 1, 0, 1);
  }

  @Test
  void textsArePadded() {
    OneNode pad =
        new OneNode("Pad", 21)
            .in(new OnnxValue.Strings(Shape.of(2), List.of("a", "b")))
            .in(Tensor.of(new long[] {1, 1}));
    assertThat(pad.both(0))
        .containsOnly(new OnnxValue.Strings(Shape.of(4), List.of("", "a", "b", "")));
  }

  @Test
  void croppedOrPaddedTensorsKeepTheirType() {
    new OneNode("CenterCropPad", 18)
        .in(of(ElementType.UINT4, 1, 2))
        .in(Tensor.of(new long[] {4}))
        .gives(ElementType.UINT4, 0, 1, 2, 0);
    new OneNode("CenterCropPad", 18)
        .in(Tensor.of(new int[] {1}).to(DType.BOOL))
        .in(Tensor.of(new long[] {3}))
        .gives(ElementType.BOOL, 0, 1, 0);
  }

  private static void givesInt4(Models models, Map<String, OnnxValue> inputs, double... expected) {
    OnnxValue y = models.model().runValues(inputs).get("y");
    assertThat(((OnnxValue.Dense) y).type()).isEqualTo(ElementType.INT4);
    assertThat(((OnnxValue.Dense) y).tensor().toDoubleArray()).isEqualTo(expected);
  }

  @Test
  void joinedSequencesKeepTheirType() {
    givesInt4(
        new Models()
            .opset(21)
            .input(Models.value("x", 22, 2))
            .output(Models.value("y", 22, 4))
            .add(Models.node("SequenceConstruct", "x x", "s"))
            .add(Models.node("ConcatFromSequence", "s", "y", "axis", 0)),
        Map.of("x", of(ElementType.INT4, -3, 5)),
        -3,
        5,
        -3,
        5);
  }

  private static ProtoWriter graph(String attribute, ProtoWriter body) {
    return new ProtoWriter().string(1, attribute).message(6, body).varint(20, 5);
  }

  @Test
  void slicesOfScansKeepTheirType() {
    ProtoWriter body =
        new ProtoWriter()
            .string(2, "body")
            .message(1, Models.node("Identity", "each", "out"))
            .message(11, Models.value("each", 22))
            .message(12, Models.value("out", 22));
    givesInt4(
        new Models()
            .opset(21)
            .input(Models.value("x", 22, 2))
            .output(Models.value("y", 22, 2))
            .add(
                Models.node("Scan", "x", "y", "num_scan_inputs", 1)
                    .message(5, graph("body", body))),
        Map.of("x", of(ElementType.INT4, -3, 5)),
        -3,
        5);
  }

  @Test
  void loopsWithoutRoundsKeepTheirType() {
    ProtoWriter body =
        new ProtoWriter()
            .string(2, "body")
            .message(1, Models.node("Identity", "more", "on"))
            .message(1, Models.node("Identity", "x", "out"))
            .message(11, Models.value("round", 7))
            .message(11, Models.value("more", 9))
            .message(12, Models.value("on", 9))
            .message(12, Models.value("out", 22, 2));
    givesInt4(
        new Models()
            .opset(21)
            .input(Models.value("x", 22, 2))
            .input(Models.value("rounds", 7))
            .output(Models.value("y", 22, 0, 2))
            .add(Models.node("Loop", "rounds ", "y").message(5, graph("body", body))),
        Map.of(
            "x",
            of(ElementType.INT4, -3, 5),
            "rounds",
            OnnxValue.of(Tensor.of(new long[] {0}).reshape())));
  }
}
