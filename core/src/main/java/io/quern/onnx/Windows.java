package io.quern.onnx;

import io.quern.Shape;
import java.util.Arrays;

/**
 * The attributes that convolutions and poolings share, one number for each spatial dimension.
 *
 * @param before padding before the first element
 * @param after padding after the last element, as far as windows reach
 */
@SuppressWarnings("ArrayRecordComponent") // never compared
record Windows(
    long[] kernel, long[] strides, long[] dilations, long[] before, long[] after, long[] outputs) {

  /** Reads the attributes; {@code image} is [n, c, spatial...]. */
  static Windows of(Call call, Shape image, long[] kernel) {
    int spatial = image.rank() - 2;
    if (spatial < 1 || kernel.length != spatial) {
      throw call.error("a kernel of %s does not fit %s", Arrays.toString(kernel), image);
    }
    long[] ones = new long[spatial];
    Arrays.fill(ones, 1);
    long[] strides = call.integers("strides", ones);
    long[] dilations = call.integers("dilations", ones);
    long[] pads = call.integers("pads", new long[2 * spatial]);
    if (strides.length != spatial || dilations.length != spatial || pads.length != 2 * spatial) {
      throw call.error("strides, dilations and pads must fit %d spatial dimensions", spatial);
    }
    String auto = call.text("auto_pad", "NOTSET");
    boolean ceil = call.flag("ceil_mode", false);
    long[] before = new long[spatial];
    long[] after = new long[spatial];
    long[] outputs = new long[spatial];
    for (int d = 0; d < spatial; d++) {
      long size = image.dim(d + 2);
      long span = (kernel[d] - 1) * dilations[d] + 1;
      if (strides[d] < 1 || dilations[d] < 1 || kernel[d] < 1) {
        throw call.error("kernel, strides and dilations must be 1 or more");
      }
      switch (auto) {
        case "NOTSET" -> {
          before[d] = pads[d];
          after[d] = pads[spatial + d];
          long room = size + before[d] + after[d] - span;
          outputs[d] = Math.floorDiv(room, strides[d]) + 1;
          if (ceil && room % strides[d] != 0 && outputs[d] * strides[d] < size + before[d]) {
            outputs[d]++;
          }
        }
        case "VALID" -> outputs[d] = Math.floorDiv(size - span, strides[d]) + 1;
        case "SAME_UPPER", "SAME_LOWER" -> {
          outputs[d] = (size + strides[d] - 1) / strides[d];
          long total = Math.max(0, (outputs[d] - 1) * strides[d] + span - size);
          before[d] = auto.equals("SAME_UPPER") ? total / 2 : total - total / 2;
          after[d] = total - before[d];
        }
        default -> throw call.error("auto_pad '%s' is not known", auto);
      }
      if (outputs[d] < 1) {
        throw call.error("a kernel of %s does not fit into %s", Arrays.toString(kernel), image);
      }
    }
    return new Windows(kernel, strides, dilations, before, after, outputs);
  }

  int spatial() {
    return kernel.length;
  }

  /** How far windows reach beyond the last element. */
  long reach(int d, long size) {
    return Math.max(
        0, (outputs[d] - 1) * strides[d] + (kernel[d] - 1) * dilations[d] + 1 - size - before[d]);
  }

  /** These windows in two dimensions; a single one becomes the second. */
  io.quern.op.Window window(Shape image) {
    int w = spatial() - 1;
    boolean flat = w == 0;
    return new io.quern.op.Window(
        flat ? 1 : (int) kernel[0],
        (int) kernel[w],
        flat ? 1 : (int) strides[0],
        (int) strides[w],
        flat ? 0 : (int) before[0],
        (int) before[w],
        flat ? 0 : (int) reach(0, image.dim(2)),
        (int) reach(w, image.dim(-1)),
        flat ? 1 : (int) dilations[0],
        (int) dilations[w]);
  }
}
