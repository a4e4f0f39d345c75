package io.quern.onnx;

import io.quern.Tensor;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/** Decodes images, without a reference to the module java.desktop. */
final class DecodingMain {
  private DecodingMain() {}

  static Tensor decode(byte[] file, String format) {
    ProtoWriter attribute =
        new ProtoWriter().string(1, "pixel_format").string(4, format).varint(20, 3);
    OnnxModel model =
        new Models()
            .opset(20)
            .input(Models.value("x", ElementType.UINT8.code(), 0))
            .output(new ProtoWriter().string(1, "y"))
            .add(Models.node("ImageDecoder", "x", "y").message(5, attribute))
            .model();
    return model.run(Map.of("x", Tensor.ofBytes(file, file.length))).get("y");
  }

  /** Prints what a portable image has, and why an image of another kind is not read. */
  public static void main(String[] args) {
    byte[] portable = "P2 1 1 9 9".getBytes(StandardCharsets.US_ASCII);
    System.out.println(decode(portable, "RGB").shape());
    try {
      decode(new byte[] {'B', 'M', 0, 0}, "RGB");
    } catch (OnnxException e) {
      System.out.println(e.getMessage());
    }
  }
}
