package io.quern.conformance;

import io.quern.DType;
import io.quern.Shape;
import io.quern.op.Pool2d;
import io.quern.op.Pool2dGrad;
import io.quern.op.Window;
import java.util.List;

/** Cases for {@link Pool2d} and {@link Pool2dGrad}. */
final class PoolCases {
  private record Setting(String name, Shape image, Window window) {}

  private static final List<Setting> SETTINGS =
      List.of(
          new Setting("2x2", Shape.of(2, 3, 8, 10), Window.of(2).stride(2)),
          new Setting("2x2 odd", Shape.of(1, 2, 7, 9), Window.of(2).stride(2)),
          new Setting("2x2 wide and odd", Shape.of(1, 2, 5, 39), Window.of(2).stride(2)),
          new Setting("2x2 of one column", Shape.of(1, 2, 4, 3), Window.of(2).stride(2)),
          new Setting("3x3 overlapping", Shape.of(2, 2, 9, 8), Window.of(3).stride(2)),
          new Setting("3x3 padded", Shape.of(1, 2, 9, 8), w(3, 2, 1)),
          new Setting("3x3 same", Shape.of(1, 2, 5, 33), w(3, 1, 1)),
          new Setting("3x3 dilated", Shape.of(1, 2, 9, 9), Window.of(3).dilation(2)),
          new Setting("asymmetric", Shape.of(1, 3, 7, 9), asymmetric()),
          new Setting("1x1", Shape.of(2, 2, 3, 17), Window.of(1)),
          new Setting("whole image", Shape.of(3, 5, 7, 6), Window.of(7, 6)),
          new Setting("gaps", Shape.of(1, 2, 11, 11), Window.of(2).stride(3)),
          new Setting("padding over image", Shape.of(1, 1, 1, 2), w(3, 1, 2)),
          new Setting("large", Shape.of(3, 17, 36, 38), Window.of(2).stride(2)),
          new Setting("no images", Shape.of(0, 2, 6, 6), Window.of(2)));

  private PoolCases() {}

  private static Window w(int kernel, int stride, int padding) {
    return Window.of(kernel).stride(stride).padding(padding);
  }

  private static Window asymmetric() {
    return new Window(3, 2, 2, 1, 2, 0, 1, 1, 1, 1);
  }

  static void addTo(List<OpCase> cases) {
    for (Pool2d.Fn fn : Pool2d.Fn.values()) {
      for (Setting setting : SETTINGS) {
        add(fn, setting, DType.F32, Input.Form.PLAIN, setting.name, cases);
      }
      Setting small = new Setting("", Shape.of(2, 3, 7, 8), w(3, 2, 1));
      for (DType dtype : new DType[] {DType.F64, DType.F16, DType.BF16}) {
        add(fn, small, dtype, Input.Form.PLAIN, "", cases);
      }
      for (Input.Form form : Input.Form.values()) {
        add(fn, small, DType.F32, form, form.name(), cases);
      }
      if (fn == Pool2d.Fn.MAX) {
        SETTINGS.forEach(setting -> bytes(setting, cases));
        bytes(new Setting("wide", Shape.of(2, 40, 13, 150), w(3, 2, 1)), cases);
        bytes(new Setting("wide", Shape.of(1, 3, 6, 131), w(5, 1, 2)), cases);
      }
      ties(fn, w(3, 2, 1), Shape.of(1, 2, 9, 11), cases);
      ties(fn, w(2, 2, 0), Shape.of(1, 2, 9, 11), cases);
      ties(fn, w(2, 2, 0), Shape.of(1, 2, 6, 38), cases);
    }
  }

  private static void bytes(Setting setting, List<OpCase> cases) {
    Pool2d pool = new Pool2d(Pool2d.Fn.MAX, setting.window, true);
    Input unsigned = Input.of(DType.U8, setting.image, Values.integers(0, 256));
    Input signed = Input.of(DType.I8, setting.image, Values.integers(-128, 128));
    cases.add(OpCase.of(pool, Tolerance.exact(), setting.name, unsigned));
    cases.add(OpCase.of(pool, Tolerance.exact(), setting.name, signed));
  }

  private static void add(
      Pool2d.Fn fn,
      Setting setting,
      DType dtype,
      Input.Form form,
      String remark,
      List<OpCase> cases) {
    boolean isMax = fn == Pool2d.Fn.MAX;
    for (boolean countPadding : isMax ? new boolean[] {true} : new boolean[] {true, false}) {
      String text = isMax || countPadding ? remark : remark + " without padding";
      Pool2d pool = new Pool2d(fn, setting.window, countPadding);
      Values values = isMax ? Values.distinct() : Values.signed();
      Input image = Input.of(dtype, setting.image, values, form);
      OpCase forward = OpCase.of(pool, tolerance(setting, isMax), text, image);
      // Expanded images repeat elements only across windows, never within one.
      cases.add(forward.differentiable());
      Shape output = pool.infer(List.of(image.spec())).getFirst().shape();
      Input gradient = Input.of(dtype, output, Values.signed(), form);
      cases.add(OpCase.of(new Pool2dGrad(pool), tolerance(setting, false), text, image, gradient));
    }
  }

  private static Tolerance tolerance(Setting setting, boolean isMax) {
    long area = (long) setting.window.kernelH() * setting.window.kernelW();
    return isMax ? Tolerance.exact() : Tolerance.scaled(area + 2, PoolCases::magnitudes);
  }

  /** The same op on the absolute gradients or, without any, on the absolute image. */
  private static List<HostArray> magnitudes(io.quern.op.Op op, List<HostArray> inputs) {
    return inputs.size() == 1
        ? Oracle.run(op, List.of(inputs.getFirst().absolute()))
        : Oracle.run(op, List.of(inputs.getFirst(), inputs.get(1).absolute()));
  }

  private static void ties(Pool2d.Fn fn, Window window, Shape shape, List<OpCase> cases) {
    Pool2d pool = new Pool2d(fn, window, true);
    special(pool, "ties", Input.of(DType.F32, shape, Values.integers(-1, 2)), cases);
    Values nan =
        Values.of(1, -2, 3, -4, 5, -6, Double.NaN, 8, Double.NEGATIVE_INFINITY, 10, 0.5, 7, 9);
    special(pool, "NaN", Input.of(DType.F32, shape, nan), cases);
    Values negative = Values.of(Double.NEGATIVE_INFINITY);
    special(pool, "negative infinity", Input.of(DType.F32, shape, negative), cases);
  }

  private static void special(Pool2d pool, String name, Input image, List<OpCase> cases) {
    Shape output = pool.infer(List.of(image.spec())).getFirst().shape();
    Input gradient = Input.of(DType.F32, output, Values.signed());
    Setting setting = new Setting("", image.spec().shape(), pool.window());
    boolean isMax = pool.fn() == Pool2d.Fn.MAX;
    String remark = name + ", " + pool.window().kernelH() + " rows";
    cases.add(OpCase.of(pool, tolerance(setting, isMax), remark, image));
    cases.add(OpCase.of(new Pool2dGrad(pool), tolerance(setting, false), remark, image, gradient));
  }
}
