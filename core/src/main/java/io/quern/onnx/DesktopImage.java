package io.quern.onnx;

import io.quern.onnx.ImageDecoder.Pixels;
import java.awt.image.BufferedImage;
import java.awt.image.IndexColorModel;
import java.awt.image.Raster;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.Iterator;
import javax.imageio.ImageIO;
import javax.imageio.ImageReader;
import javax.imageio.stream.ImageInputStream;
import javax.imageio.stream.MemoryCacheImageInputStream;

/** Images that the module java.desktop reads; nothing else refers to that module. */
final class DesktopImage {
  private DesktopImage() {}

  /** The image, without its transparency, or {@link Pixels#NONE} when it cannot be decoded. */
  @SuppressWarnings("CatchingUnchecked") // readers throw many kinds for damaged files
  static Pixels read(byte[] bytes) {
    ByteArrayInputStream source = new ByteArrayInputStream(bytes);
    try (ImageInputStream stream = new MemoryCacheImageInputStream(source)) {
      Iterator<ImageReader> readers = ImageIO.getImageReaders(stream);
      if (!readers.hasNext()) {
        return Pixels.NONE;
      }
      ImageReader reader = readers.next();
      try {
        reader.setInput(stream, true, true);
        return pixels(reader.read(0));
      } finally {
        reader.dispose();
      }
    } catch (IOException | RuntimeException e) {
      return Pixels.NONE;
    }
  }

  /**
   * Samples as they are in the file. Colours of a {@link BufferedImage} are not: its greys are
   * linear, which files do not mean.
   */
  private static Pixels pixels(BufferedImage image) {
    Raster raster = image.getRaster();
    Pixels pixels = Pixels.of(image.getHeight(), image.getWidth());
    IndexColorModel palette =
        image.getColorModel() instanceof IndexColorModel indexed ? indexed : null;
    int bands = raster.getNumBands();
    int at = 0;
    for (int y = 0; y < pixels.height(); y++) {
      for (int x = 0; x < pixels.width(); x++) {
        for (int channel = 0; channel < 3; channel++, at++) {
          if (palette != null) {
            int colour = palette.getRGB(raster.getSample(x, y, 0));
            pixels.rgb()[at] = (byte) (colour >> (16 - 8 * channel));
          } else {
            int band = bands < 3 ? 0 : channel;
            int bits = raster.getSampleModel().getSampleSize(band);
            pixels.rgb()[at] = ImageDecoder.toByte(raster.getSample(x, y, band), bits);
          }
        }
      }
    }
    return pixels;
  }
}
