package io.quern.conformance;

import io.quern.DType;
import io.quern.Shape;
import io.quern.op.Conv2d;
import io.quern.op.Conv2dInputGrad;
import io.quern.op.Conv2dWeightGrad;
import io.quern.op.ConvTranspose2d;
import io.quern.op.TensorSpec;
import io.quern.op.Window;
import java.util.List;

/** Cases for {@link Conv2d}, its gradients and {@link ConvTranspose2d}. */
final class ConvCases {
  private record Setting(String name, Shape image, long filters, Window window, int groups) {
    Shape weight() {
      return Shape.of(filters, image.dim(1) / groups, window.kernelH(), window.kernelW());
    }

    /** Whether tiles of outputs may be computed at once, by Winograd's minimal filtering. */
    boolean mayBeTiled() {
      return window.kernelH() == 3
          && window.kernelW() == 3
          && Math.max(window.strideH(), window.strideW()) == 1
          && Math.max(window.dilationH(), window.dilationW()) == 1
          && Math.min(image.dim(1), filters) >= 16;
    }

    /** The bound of a sum of {@code length} products of which {@code summed} are one for a tile. */
    Tolerance tolerance(long length, long summed) {
      return mayBeTiled()
          ? Tolerance.scaled(
              Math.max(length, summed + WinogradMagnitude.ROUNDINGS), WinogradMagnitude::of)
          : Tolerance.dot(length);
    }
  }

  private static final Window ASYMMETRIC = new Window(3, 2, 2, 1, 1, 0, 2, 3, 1, 2);

  private static final Window ROWS = new Window(1, 1, 2, 1, 0, 0, 0, 0, 1, 1);

  private static final Window COLUMN = new Window(3, 1, 1, 2, 1, 0, 1, 0, 1, 1);

  private static final Window ONE_SIDED = new Window(3, 3, 1, 1, 1, 2, 0, 1, 1, 1);

  private static final List<Setting> SETTINGS =
      List.of(
          new Setting("1x1", Shape.of(2, 5, 6, 7), 9, Window.of(1), 1),
          new Setting("1x1 stride 2", Shape.of(2, 5, 7, 7), 9, Window.of(1).stride(2), 1),
          new Setting("3x3", Shape.of(2, 3, 8, 9), 4, Window.of(3), 1),
          new Setting("3x3 same", Shape.of(1, 4, 9, 9), 6, Window.of(3).padding(1), 1),
          new Setting("3x3 stride 2", Shape.of(2, 3, 9, 8), 5, w(3, 2, 1, 1), 1),
          new Setting("3x3 stride 3", Shape.of(1, 2, 11, 13), 3, w(3, 3, 0, 1), 1),
          new Setting("3x3 dilated", Shape.of(2, 3, 10, 11), 4, w(3, 1, 2, 2), 1),
          new Setting("3x3 strided, dilated", Shape.of(1, 2, 12, 11), 3, w(3, 2, 1, 3), 1),
          new Setting("5x5 wide", Shape.of(1, 3, 12, 40), 33, Window.of(5).padding(2), 1),
          new Setting("7x7 stem", Shape.of(1, 3, 21, 21), 8, w(7, 2, 3, 1), 1),
          new Setting("7x7 stem, gray", Shape.of(2, 1, 19, 22), 8, w(7, 2, 3, 1), 1),
          new Setting("1x7", Shape.of(1, 3, 5, 16), 4, Window.of(1, 7), 1),
          new Setting("whole image", Shape.of(3, 4, 5, 6), 7, Window.of(5, 6), 1),
          new Setting("padding over kernel", Shape.of(1, 2, 3, 3), 2, w(2, 1, 4, 1), 1),
          new Setting("asymmetric", Shape.of(2, 4, 9, 8), 3, ASYMMETRIC, 1),
          new Setting("groups", Shape.of(2, 6, 7, 8), 4, Window.of(3).padding(1), 2),
          new Setting("depthwise", Shape.of(2, 8, 9, 10), 8, Window.of(3).padding(1), 8),
          new Setting("depthwise doubled", Shape.of(1, 5, 9, 17), 10, w(3, 2, 1, 1), 5),
          new Setting("depthwise, dilated", Shape.of(2, 3, 12, 11), 6, w(3, 2, 1, 3), 3),
          new Setting("depthwise 5x5", Shape.of(1, 4, 13, 70), 4, w(5, 1, 2, 1), 4),
          new Setting("depthwise 7x7", Shape.of(1, 3, 11, 20), 3, w(7, 1, 3, 1), 3),
          new Setting("depthwise 7x7 images", Shape.of(3, 12, 7, 7), 12, w(3, 1, 1, 1), 12),
          new Setting("depthwise, wide padding", Shape.of(2, 3, 4, 5), 3, w(2, 1, 4, 1), 3),
          new Setting("depthwise, asymmetric", Shape.of(2, 4, 9, 8), 8, ASYMMETRIC, 4),
          new Setting("depthwise stride 3", Shape.of(1, 2, 11, 13), 2, w(3, 3, 0, 1), 2),
          new Setting("depthwise, no images", Shape.of(0, 3, 6, 6), 3, Window.of(3), 3),
          new Setting("one pixel", Shape.of(1, 1, 1, 1), 1, Window.of(1), 1),
          new Setting("as in the quickstart", Shape.of(2, 8, 14, 14), 16, w(3, 1, 1, 1), 1),
          new Setting("large", Shape.of(3, 8, 30, 31), 16, Window.of(3).padding(1), 1),
          new Setting("tiles of 4x4", Shape.of(2, 16, 12, 8), 32, Window.of(3).padding(1), 1),
          new Setting("tiles cut off", Shape.of(3, 32, 9, 11), 16, Window.of(3).padding(1), 1),
          new Setting("tiles, no padding", Shape.of(1, 16, 15, 22), 48, Window.of(3), 1),
          new Setting("tiles, 80 filters", Shape.of(1, 16, 12, 14), 80, w(3, 1, 1, 1), 1),
          new Setting("tiles, wide padding", Shape.of(5, 16, 4, 4), 16, w(3, 1, 2, 1), 1),
          new Setting("tiles, one-sided", Shape.of(1, 16, 12, 13), 16, ONE_SIDED, 1),
          new Setting("tiles in parts", Shape.of(40, 16, 14, 14), 16, w(3, 1, 1, 1), 1),
          new Setting("many channels, stride 2", Shape.of(2, 16, 9, 11), 32, w(3, 2, 1, 1), 1),
          new Setting("many, 1x1 stride 2", Shape.of(1, 20, 9, 12), 32, Window.of(1).stride(2), 1),
          new Setting("many, 1x1 every second row", Shape.of(1, 16, 7, 5), 32, ROWS, 1),
          new Setting("many, 5x5", Shape.of(1, 16, 7, 7), 40, w(5, 1, 2, 1), 1),
          new Setting("many, dilated", Shape.of(1, 17, 9, 8), 33, w(3, 2, 1, 3), 1),
          new Setting("many, asymmetric", Shape.of(2, 16, 9, 8), 32, ASYMMETRIC, 1),
          new Setting("many, one column", Shape.of(1, 16, 9, 1), 32, COLUMN, 1),
          new Setting("many, groups", Shape.of(2, 32, 7, 6), 64, w(3, 2, 1, 1), 2),
          new Setting("256 channels", Shape.of(1, 256, 3, 3), 32, w(3, 2, 1, 1), 1),
          new Setting("many filters, 1x1", Shape.of(1, 18, 5, 7), 130, Window.of(1), 1),
          new Setting("112 filters, stride 2", Shape.of(1, 9, 9, 8), 112, w(3, 2, 1, 1), 1),
          new Setting("no images", Shape.of(0, 3, 6, 6), 4, Window.of(3), 1),
          new Setting("no filters", Shape.of(2, 3, 6, 6), 0, Window.of(3), 1),
          new Setting("no channels", Shape.of(2, 0, 6, 6), 3, Window.of(3), 1));

  private ConvCases() {}

  private static Window w(int kernel, int stride, int padding, int dilation) {
    return Window.of(kernel).stride(stride).padding(padding).dilation(dilation);
  }

  static void addTo(List<OpCase> cases) {
    for (Setting setting : SETTINGS) {
      add(setting, DType.F32, Input.Form.PLAIN, setting.name, cases);
      transposed(setting, DType.F32, Input.Form.PLAIN, setting.name, cases);
    }
    for (Setting setting : SETTINGS) {
      add(setting, DType.BF16, Input.Form.PLAIN, setting.name, cases);
    }
    Setting small = new Setting("", Shape.of(2, 4, 7, 8), 6, w(3, 2, 1, 1), 2);
    for (DType dtype : new DType[] {DType.F64, DType.F16, DType.BF16}) {
      add(small, dtype, Input.Form.PLAIN, "", cases);
      transposed(small, dtype, Input.Form.PLAIN, "", cases);
    }
    for (Input.Form form : Input.Form.values()) {
      add(small, DType.F32, form, form.name(), cases);
      transposed(small, DType.F32, form, form.name(), cases);
    }
  }

  private static void add(
      Setting setting, DType dtype, Input.Form form, String remark, List<OpCase> cases) {
    Window window = setting.window;
    Shape weightShape = setting.weight();
    Input image = Input.of(dtype, setting.image, Values.signed(), form);
    Input weight = Input.of(dtype, weightShape, Values.signed(), form);
    Input bias = Input.of(dtype, Shape.of(setting.filters), Values.signed());
    Conv2d conv = new Conv2d(window, setting.groups);
    TensorSpec output = conv.infer(List.of(image.spec(), weight.spec())).getFirst();
    Input gradient = Input.of(dtype, output.shape(), Values.signed(), form);
    long c = weightShape.dim(1);
    long filter = weightShape.dim(1) * weightShape.dim(2) * weightShape.dim(3);
    cases.add(checked(OpCase.of(conv, setting.tolerance(filter, c), remark, image, weight)));
    cases.add(
        checked(OpCase.of(conv, setting.tolerance(filter + 1, c), remark, image, weight, bias)));
    long perPixel = setting.filters * window.kernelH() * window.kernelW();
    cases.add(
        checked(
            OpCase.of(
                new Conv2dInputGrad(window, setting.groups, setting.image),
                setting.tolerance(perPixel, setting.filters),
                remark,
                weight,
                gradient)));
    long perWeight = output.shape().dim(0) * output.shape().dim(2) * output.shape().dim(3);
    cases.add(
        checked(
            OpCase.of(
                new Conv2dWeightGrad(window, setting.groups),
                setting.tolerance(perWeight, perWeight),
                remark,
                image,
                gradient)));
  }

  /** The setting's image is the output, so the output padding follows from the sizes. */
  private static void transposed(
      Setting setting, DType dtype, Input.Form form, String remark, List<OpCase> cases) {
    Window w = setting.window;
    Shape weight = setting.weight();
    Shape small =
        new Conv2d(w, setting.groups)
            .infer(List.of(new TensorSpec(dtype, setting.image), new TensorSpec(dtype, weight)))
            .getFirst()
            .shape();
    long restH = setting.image.dim(2) + w.padTop() + w.padBottom();
    long restW = setting.image.dim(3) + w.padLeft() + w.padRight();
    restH -= (small.dim(2) - 1) * w.strideH() + (long) w.dilationH() * (w.kernelH() - 1) + 1;
    restW -= (small.dim(3) - 1) * w.strideW() + (long) w.dilationW() * (w.kernelW() - 1) + 1;
    ConvTranspose2d op = new ConvTranspose2d(w, setting.groups, (int) restH, (int) restW);
    Tolerance tolerance = Tolerance.dot(setting.filters * w.kernelH() * w.kernelW() + 1);
    Input x = Input.of(dtype, small, Values.signed(), form);
    Input filter = Input.of(dtype, weight, Values.signed(), form);
    Input bias = Input.of(dtype, Shape.of(setting.image.dim(1)), Values.signed());
    cases.add(checked(OpCase.of(op, tolerance, remark, x, filter)));
    // In narrow types the product is rounded before the bias is added.
    if (dtype == DType.F32 || dtype == DType.F64) {
      cases.add(checked(OpCase.of(op, tolerance, remark, x, filter, bias)));
    }
  }

  /**
   * Differences take two runs for each element that is moved, so only small cases are checked. They
   * are in F64, so that narrow floats would give the same.
   */
  private static OpCase checked(OpCase opCase) {
    boolean isChecked =
        opCase.flops() < 50_000 && opCase.inputs().getFirst().spec().dtype() != DType.BF16;
    return isChecked ? opCase.differentiable() : opCase;
  }
}
