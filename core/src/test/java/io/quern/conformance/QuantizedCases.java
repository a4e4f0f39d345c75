package io.quern.conformance;

import io.quern.DType;
import io.quern.Shape;
import io.quern.op.Quantization;
import io.quern.op.QuantizedAdd;
import io.quern.op.QuantizedConv2d;
import io.quern.op.Window;
import java.util.List;

/** Cases for convolutions and sums of bytes, which are exact. */
final class QuantizedCases {
  private static final Quantization RECTIFIED = Quantization.of(DType.U8, 0);
  private static final Quantization SHIFTED = new Quantization(DType.U8, 131, 3, 250);
  private static final Quantization SIGNED = Quantization.of(DType.I8, -7);

  /** Images, channels, height, width, output channels. */
  private static final int[][] POINTWISE = {
    {1, 1, 1, 1, 1},
    {2, 3, 5, 7, 4},
    {1, 64, 7, 7, 33},
    {1, 130, 14, 13, 48},
    {1, 66, 9, 30, 70},
    {3, 20, 1, 1, 100},
    {1, 16, 28, 28, 16},
    {0, 4, 3, 3, 2}
  };

  private QuantizedCases() {}

  static void addTo(List<OpCase> cases) {
    for (int[] size : POINTWISE) {
      cases.add(conv(DType.U8, size, Window.of(1), 1, 0, RECTIFIED));
      cases.add(conv(DType.I8, size, Window.of(1), 1, -3, SIGNED));
      cases.add(conv(DType.U8, size, Window.of(1).stride(2), 1, 128, SHIFTED));
    }
    Window three = Window.of(3).padding(1);
    for (int channels : new int[] {1, 3, 16, 37, 70}) {
      int[] size = {2, channels, 11, 18, 35};
      cases.add(conv(DType.U8, size, three, 1, 114, SHIFTED));
      cases.add(conv(DType.I8, size, three.stride(2), 1, 5, RECTIFIED));
      cases.add(conv(DType.U8, size, Window.of(3).dilation(2).padding(2), 1, 255, SIGNED));
    }
    Window wide = new Window(2, 5, 2, 1, 1, 0, 0, 3, 1, 2);
    cases.add(conv(DType.I8, new int[] {1, 6, 12, 21, 40}, wide, 1, -128, SHIFTED));
    Window stem = Window.of(7).padding(3).stride(2);
    cases.add(conv(DType.U8, new int[] {1, 3, 40, 40, 64}, stem, 1, 0, RECTIFIED));
    cases.add(conv(DType.U8, new int[] {1, 300, 6, 6, 65}, three, 1, 9, SHIFTED));
    cases.add(conv(DType.U8, new int[] {2, 12, 9, 9, 12}, three, 3, 100, SHIFTED));
    cases.add(conv(DType.I8, new int[] {2, 18, 9, 9, 66}, three, 2, 100, SIGNED));
    cases.add(conv(DType.I8, new int[] {1, 8, 9, 9, 8}, three, 8, 2, SIGNED));
    cases.add(conv(DType.U8, new int[] {1, 128, 56, 20, 96}, three, 1, 3, RECTIFIED));
    for (Input.Form form : Input.Form.values()) {
      cases.add(conv(DType.U8, new int[] {2, 9, 6, 7, 5}, three, 1, 17, SHIFTED, form));
      cases.add(add(DType.U8, Shape.of(3, 5, 41), form, DType.U8, Shape.of(3, 5, 41), RECTIFIED));
    }
    for (int n : new int[] {0, 1, 15, 16, 17, 64, 100, 70_000}) {
      cases.add(add(DType.U8, Shape.of(n), DType.U8, Shape.of(n), SHIFTED));
      cases.add(add(DType.I8, Shape.of(n), DType.U8, Shape.of(n), RECTIFIED));
      cases.add(add(DType.U8, Shape.of(n), DType.I8, Shape.of(n), SIGNED));
    }
    cases.add(add(DType.I8, Shape.of(4, 1, 6), DType.I8, Shape.of(5, 1), SIGNED));
  }

  private static OpCase conv(
      DType dtype, int[] size, Window window, int groups, int zero, Quantization result) {
    return conv(dtype, size, window, groups, zero, result, Input.Form.PLAIN);
  }

  private static OpCase conv(
      DType dtype,
      int[] size,
      Window window,
      int groups,
      int zero,
      Quantization result,
      Input.Form form) {
    Shape weight = Shape.of(size[4], size[1] / groups, window.kernelH(), window.kernelW());
    double spread = 60 / (128 * 74 * Math.sqrt((double) weight.slice(1, 4).size()));
    return OpCase.of(
        new QuantizedConv2d(window, groups, zero, result),
        Tolerance.exact(),
        String.join(" ", window.toString(), "zero " + zero, result.toString(), form.toString()),
        bytes(dtype, Shape.of(size[0], size[1], size[2], size[3]), form),
        bytes(DType.I8, weight, form),
        Input.of(DType.F32, Shape.of(size[4]), Values.uniform(spread / 2, 2 * spread)),
        Input.of(DType.I32, Shape.of(size[4]), Values.integers(-9000, 9000)));
  }

  private static OpCase add(DType left, Shape a, DType right, Shape b, Quantization result) {
    return add(left, a, Input.Form.PLAIN, right, b, result);
  }

  private static OpCase add(
      DType left, Shape a, Input.Form form, DType right, Shape b, Quantization result) {
    int zeroB = right == DType.U8 ? 140 : -20;
    return OpCase.of(
        new QuantizedAdd(0.71f, left == DType.U8 ? 90 : 11, 0.5f, zeroB, result),
        Tolerance.exact(),
        result + " " + form,
        bytes(left, a, form),
        bytes(right, b, Input.Form.PLAIN));
  }

  private static Input bytes(DType dtype, Shape shape, Input.Form form) {
    Values all = dtype == DType.U8 ? Values.integers(0, 256) : Values.integers(-128, 128);
    return Input.of(dtype, shape, all, form);
  }
}
