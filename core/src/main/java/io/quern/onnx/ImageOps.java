package io.quern.onnx;

/** Operators that read images, and sample them at places between their pixels. */
final class ImageOps {
  private ImageOps() {}

  static void addTo(OpTable table) {
    table.op("Upsample", 7, call -> Resize.byScales(call, Call.widened(call.numbers("scales"))));
    table.op("Upsample", 9, call -> Resize.byScales(call, call.doubles(1)));
    table.op("Resize", 10, call -> Resize.byScales(call, call.doubles(1)));
    table.op("Resize", 11, Resize::resize);
    table.eager("ImageDecoder", 20, call -> OnnxValue.all(ImageDecoder.decode(call)));
    table.eager("GridSample", 16, GridSample::sample);
    table.eager("AffineGrid", 20, GridSample::affineGrid);
    table.eager("CenterCropPad", 18, Resize::cropOrPad);
  }
}
