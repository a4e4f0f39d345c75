package io.quern.onnx;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * ImageDecoder: an encoded image as U8 [height, width, channels]. BMP, JPEG, PNG and TIFF are read
 * by the module java.desktop, where there is one; the portable formats (PNM) are read here. As the
 * specification has it, what cannot be decoded is an image without pixels.
 */
final class ImageDecoder {
  private static final byte[] JPEG_2000 = {0, 0, 0, 12, 'j', 'P', ' ', ' '};
  private static final byte[] JPEG_2000_STREAM = {(byte) 0xFF, 0x4F, (byte) 0xFF, 0x51};

  private ImageDecoder() {}

  /** An image: red, green and blue of each pixel, row by row. */
  @SuppressWarnings("ArrayRecordComponent") // never compared
  record Pixels(int height, int width, byte[] rgb) {
    /** An image without pixels. */
    static final Pixels NONE = new Pixels(0, 0, new byte[0]);

    /** A black image. */
    static Pixels of(int height, int width) {
      int count = Math.multiplyExact(3, Math.multiplyExact(height, width));
      return new Pixels(height, width, new byte[count]);
    }
  }

  static Tensor decode(Call call) {
    Tensor encoded = call.known(0);
    if (encoded.dtype() != DType.U8 || encoded.rank() != 1) {
      throw call.error("input 0 must be uint8[n], found %s", call.dense(0).kind());
    }
    Pixels pixels = pixels(call, encoded.toByteArray());
    int channels = 3;
    byte[] elements =
        switch (call.text("pixel_format", "RGB")) {
          case "RGB" -> pixels.rgb;
          case "BGR" -> reversed(pixels.rgb);
          case "Grayscale" -> {
            channels = 1;
            yield grey(pixels.rgb);
          }
          case String other ->
              throw call.error(
                  "pixel_format '%s' is not known, expected RGB, BGR or Grayscale", other);
        };
    Shape shape = Shape.of(pixels.height, pixels.width, channels);
    return IndexOps.ofBytes(elements, DType.U8, shape);
  }

  private static Pixels pixels(Call call, byte[] bytes) {
    String unsupported = unsupported(bytes);
    if (unsupported != null) {
      throw call.error("%s is not supported; give BMP, JPEG, PNG, PNM or TIFF", unsupported);
    }
    if (PortableImage.is(bytes)) {
      return PortableImage.read(bytes);
    }
    try {
      return DesktopImage.read(bytes);
    } catch (LinkageError e) {
      throw new OnnxException(
          call.label()
              + ": images are read by the module java.desktop, which this JVM lacks; start it with"
              + " --add-modules java.desktop, and put that module into the image of jlink",
          e);
    }
  }

  /** The name of a format that is known but not read, or null. */
  private static @Nullable String unsupported(byte[] bytes) {
    if (startsWith(bytes, 0, JPEG_2000) || startsWith(bytes, 0, JPEG_2000_STREAM)) {
      return "JPEG 2000";
    }
    boolean isWebP =
        startsWith(bytes, 0, new byte[] {'R', 'I', 'F', 'F'})
            && startsWith(bytes, 8, new byte[] {'W', 'E', 'B', 'P'});
    return isWebP ? "WebP" : null;
  }

  private static boolean startsWith(byte[] bytes, int from, byte[] prefix) {
    for (int i = 0; i < prefix.length; i++) {
      if (from + i >= bytes.length || bytes[from + i] != prefix[i]) {
        return false;
      }
    }
    return true;
  }

  private static byte[] reversed(byte[] rgb) {
    byte[] bgr = new byte[rgb.length];
    for (int i = 0; i < rgb.length; i += 3) {
      bgr[i] = rgb[i + 2];
      bgr[i + 1] = rgb[i + 1];
      bgr[i + 2] = rgb[i];
    }
    return bgr;
  }

  /** Luma of ITU-R BT.601, in units of 1 / 65536, rounded. */
  private static byte[] grey(byte[] rgb) {
    byte[] grey = new byte[rgb.length / 3];
    for (int i = 0; i < grey.length; i++) {
      int red = rgb[3 * i] & 0xFF;
      int green = rgb[3 * i + 1] & 0xFF;
      int blue = rgb[3 * i + 2] & 0xFF;
      grey[i] = (byte) ((19595 * red + 38470 * green + 7471 * blue + (1 << 15)) >> 16);
    }
    return grey;
  }

  /** A sample of so many bits as one of 8 bits. */
  static byte toByte(int sample, int bits) {
    if (bits >= 8) {
      return (byte) (sample >> (bits - 8));
    }
    int most = (1 << bits) - 1;
    return (byte) ((sample * 255 + most / 2) / most);
  }
}
