package io.quern.conformance;

import io.quern.DType;
import io.quern.Shape;
import io.quern.op.Conv3d;
import io.quern.op.Window;
import io.quern.op.Window3d;
import java.util.List;

/** Cases for {@link Conv3d}. */
final class Conv3dCases {
  private record Setting(String name, Shape volume, long filters, Window3d window, int groups) {
    Shape weight() {
      Window plane = window.plane();
      return Shape.of(
          filters, volume.dim(1) / groups, window.kernelD(), plane.kernelH(), plane.kernelW());
    }

    /** Fewer than 16 filters are never tiled by Winograd's minimal filtering. */
    Tolerance tolerance(int biases) {
      Shape filter = weight().slice(1, 5);
      long length = filter.size() + biases;
      long channels = filter.dim(0) * window.kernelD();
      return filters < 16
          ? Tolerance.dot(length)
          : Tolerance.scaled(
              Math.max(length, channels + WinogradMagnitude.ROUNDINGS), WinogradMagnitude::of);
    }
  }

  /** Another kernel, stride, padding and dilation in each direction. */
  private static final Window3d UNEVEN =
      new Window3d(3, 3, 2, 1, 2, new Window(2, 1, 1, 2, 0, 1, 3, 0, 3, 1));

  private static final Window3d DEPTH_ONLY = new Window3d(3, 2, 1, 1, 2, Window.of(1));

  private static final Window3d SAME = Window3d.of(3).padding(1);

  private static final List<Setting> SETTINGS =
      List.of(
          new Setting("1x1x1", Shape.of(2, 5, 3, 4, 5), 6, Window3d.of(1), 1),
          new Setting("1x1x1 stride 2", Shape.of(2, 3, 5, 4, 5), 4, Window3d.of(1).stride(2), 1),
          new Setting("frame by frame", Shape.of(2, 3, 4, 5, 6), 4, Window3d.of(1, 3, 3), 1),
          new Setting("frames, padded", Shape.of(1, 3, 2, 5, 6), 4, Window3d.of(1).padding(1), 1),
          new Setting("depth only", Shape.of(2, 3, 7, 3, 4), 5, DEPTH_ONLY, 1),
          new Setting("2x2x2", Shape.of(2, 3, 4, 5, 4), 5, Window3d.of(2), 1),
          new Setting("3x3x3", Shape.of(1, 3, 4, 5, 6), 4, Window3d.of(3), 1),
          new Setting("3x3x3 same", Shape.of(2, 2, 4, 5, 4), 2, SAME, 1),
          new Setting("3x3x3 stride 2", Shape.of(2, 2, 7, 6, 5), 3, SAME.stride(2), 1),
          new Setting("dilated", Shape.of(1, 2, 6, 7, 5), 3, Window3d.of(2).dilation(3), 1),
          new Setting("uneven", Shape.of(2, 4, 8, 6, 7), 3, UNEVEN, 1),
          new Setting("padding over kernel", Shape.of(1, 2, 2, 1, 2), 2, SAME.padding(4), 1),
          new Setting("whole volume", Shape.of(3, 4, 2, 3, 4), 7, Window3d.of(2, 3, 4), 1),
          new Setting("groups", Shape.of(2, 6, 4, 4, 5), 4, Window3d.of(2), 2),
          new Setting("groups, uneven", Shape.of(1, 6, 8, 6, 7), 9, UNEVEN, 3),
          new Setting("depthwise", Shape.of(2, 4, 4, 4, 5), 4, Window3d.of(2), 4),
          new Setting("depthwise frames", Shape.of(2, 4, 3, 5, 5), 8, Window3d.of(1, 3, 3), 4),
          new Setting("large", Shape.of(2, 6, 8, 16, 17), 12, SAME, 1),
          new Setting("tiles", Shape.of(1, 16, 3, 12, 15), 16, SAME, 1),
          new Setting("one voxel", Shape.of(1, 1, 1, 1, 1), 1, Window3d.of(1), 1),
          new Setting("only padding", Shape.of(1, 2, 0, 3, 3), 3, Window3d.of(2).padding(1), 1),
          new Setting("no volumes", Shape.of(0, 3, 4, 5, 5), 4, SAME, 1),
          new Setting("no filters", Shape.of(2, 3, 4, 5, 5), 0, SAME, 1),
          new Setting("no channels", Shape.of(2, 0, 4, 5, 5), 3, SAME, 1));

  private Conv3dCases() {}

  static void addTo(List<OpCase> cases) {
    for (Setting setting : SETTINGS) {
      add(setting, DType.F32, Input.Form.PLAIN, setting.name, cases);
    }
    Setting small = new Setting("", Shape.of(2, 4, 5, 4, 5), 6, SAME.stride(2), 2);
    for (DType dtype : new DType[] {DType.F64, DType.F16, DType.BF16}) {
      add(small, dtype, Input.Form.PLAIN, "", cases);
    }
    for (Input.Form form : Input.Form.values()) {
      add(small, DType.F32, form, form.name(), cases);
    }
  }

  private static void add(
      Setting setting, DType dtype, Input.Form form, String remark, List<OpCase> cases) {
    Conv3d conv = new Conv3d(setting.window, setting.groups);
    Input volume = Input.of(dtype, setting.volume, Values.signed(), form);
    Input weight = Input.of(dtype, setting.weight(), Values.signed(), form);
    Input bias = Input.of(dtype, Shape.of(setting.filters), Values.signed());
    cases.add(checked(OpCase.of(conv, setting.tolerance(0), remark, volume, weight)));
    cases.add(checked(OpCase.of(conv, setting.tolerance(1), remark, volume, weight, bias)));
  }

  /** Differences take two runs for each element that is moved, so only small cases are checked. */
  private static OpCase checked(OpCase opCase) {
    return opCase.flops() < 50_000 ? opCase.differentiable() : opCase;
  }
}
