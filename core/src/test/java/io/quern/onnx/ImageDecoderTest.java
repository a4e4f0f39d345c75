package io.quern.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.quern.ChildJvm;
import io.quern.Shape;
import io.quern.Tensor;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Images in several formats, which are the same pixels again. */
class ImageDecoderTest {
  private static final int HEIGHT = 5;
  private static final int WIDTH = 7;

  private static Tensor decode(byte[] file, String format) {
    return DecodingMain.decode(file, format);
  }

  /** Red, green or blue of a pixel. */
  private static int sample(int y, int x, int channel) {
    return (y * 40 + x * 13 + channel * 91) & 0xFF;
  }

  private static BufferedImage image(int type) {
    BufferedImage image = new BufferedImage(WIDTH, HEIGHT, type);
    for (int y = 0; y < HEIGHT; y++) {
      for (int x = 0; x < WIDTH; x++) {
        int rgb = (sample(y, x, 0) << 16) | (sample(y, x, 1) << 8) | sample(y, x, 2);
        image.setRGB(x, y, 0xFF000000 | rgb);
      }
    }
    return image;
  }

  private static byte[] encoded(BufferedImage image, String format) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    assertThat(ImageIO.write(image, format, bytes)).isTrue();
    return bytes.toByteArray();
  }

  private static void assertSame(Tensor found, int... channels) {
    assertThat(found.shape()).isEqualTo(Shape.of(HEIGHT, WIDTH, channels.length));
    long[] elements = found.toLongArray();
    for (int i = 0; i < elements.length; i++) {
      int pixel = i / channels.length;
      int channel = channels[i % channels.length];
      assertThat(elements[i]).isEqualTo(sample(pixel / WIDTH, pixel % WIDTH, channel));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"png", "bmp", "tiff"})
  void formatsWithoutLossAreExact(String format) throws IOException {
    byte[] file = encoded(image(BufferedImage.TYPE_3BYTE_BGR), format);
    assertSame(decode(file, "RGB"), 0, 1, 2);
    assertSame(decode(file, "BGR"), 2, 1, 0);
  }

  @Test
  void transparencyIsDropped() throws IOException {
    assertSame(decode(encoded(image(BufferedImage.TYPE_INT_ARGB), "png"), "RGB"), 0, 1, 2);
  }

  @Test
  void greysAreAsInTheFile() throws IOException {
    BufferedImage image = new BufferedImage(WIDTH, HEIGHT, BufferedImage.TYPE_BYTE_GRAY);
    for (int i = 0; i < WIDTH * HEIGHT; i++) {
      image.getRaster().setSample(i % WIDTH, i / WIDTH, 0, sample(i / WIDTH, i % WIDTH, 0));
    }
    assertSame(decode(encoded(image, "png"), "RGB"), 0, 0, 0);
    assertSame(decode(encoded(image, "png"), "Grayscale"), 0);
  }

  /** Luma is 0.299 R + 0.587 G + 0.114 B. */
  @Test
  void coloursBecomeLuma() throws IOException {
    Tensor grey = decode(encoded(image(BufferedImage.TYPE_3BYTE_BGR), "png"), "Grayscale");
    assertThat(grey.shape()).isEqualTo(Shape.of(HEIGHT, WIDTH, 1));
    double[] elements = grey.toDoubleArray();
    for (int i = 0; i < elements.length; i++) {
      int y = i / WIDTH;
      int x = i % WIDTH;
      double luma = 0.299 * sample(y, x, 0) + 0.587 * sample(y, x, 1) + 0.114 * sample(y, x, 2);
      // Half a step of rounding, and what weights of 16 bits lose.
      assertThat(elements[i]).isCloseTo(luma, within(0.51));
    }
  }

  @Test
  void evenColourSurvivesJpeg() throws IOException {
    BufferedImage image = new BufferedImage(16, 16, BufferedImage.TYPE_3BYTE_BGR);
    for (int i = 0; i < 256; i++) {
      image.setRGB(i % 16, i / 16, 0xC86432);
    }
    Tensor found = decode(encoded(image, "jpg"), "RGB");
    assertThat(found.shape()).isEqualTo(Shape.of(16, 16, 3));
    double[] elements = found.toDoubleArray();
    double[] colour = {0xC8, 0x64, 0x32};
    for (int i = 0; i < elements.length; i++) {
      // Three conversions of colour, each rounded, with weights of up to 1.772.
      assertThat(elements[i]).isCloseTo(colour[i % 3], within(3.0));
    }
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  private static byte[] joined(String header, int... samples) {
    byte[] bytes = Arrays.copyOf(ascii(header), header.length() + samples.length);
    for (int i = 0; i < samples.length; i++) {
      bytes[header.length() + i] = (byte) samples[i];
    }
    return bytes;
  }

  @Test
  void portableImagesAreRead() {
    byte[] colours = joined("P6\n# a comment\n2 1\n255\n", 1, 2, 3, 253, 254, 255);
    assertThat(decode(colours, "RGB").toLongArray()).containsExactly(1, 2, 3, 253, 254, 255);
    assertThat(decode(ascii("P3 1 2 15\n0 15 3\n 15 0 0"), "RGB").toLongArray())
        .containsExactly(0, 255, 51, 255, 0, 0);
    assertThat(decode(joined("P5 2 1 65535\n", 0x80, 0x00, 0xFF, 0xFF), "Grayscale").toLongArray())
        .containsExactly(128, 255);
    assertThat(decode(ascii("P2\n2 1\n255\n7 9\n"), "Grayscale").toLongArray())
        .containsExactly(7, 9);
    assertThat(decode(ascii("P1 3 1\n101"), "Grayscale").toLongArray()).containsExactly(0, 255, 0);
    assertThat(decode(joined("P4 9 1\n", 0x80, 0x80), "Grayscale").toLongArray())
        .containsExactly(0, 255, 255, 255, 255, 255, 255, 255, 0);
  }

  @Test
  void whatCannotBeDecodedHasNoPixels() throws IOException {
    byte[] file = encoded(image(BufferedImage.TYPE_3BYTE_BGR), "png");
    for (byte[] bytes :
        new byte[][] {
          new byte[0],
          ascii("no image"),
          ascii("P6 99999 99999 255 "),
          ascii("P5 2"),
          Arrays.copyOf(file, 40)
        }) {
      assertThat(decode(bytes, "RGB").shape()).isEqualTo(Shape.of(0, 0, 3));
    }
  }

  @Test
  void formatsThatAreNotReadAreNamed() {
    byte[] webP = ascii("RIFF....WEBPVP8 ");
    assertThatThrownBy(() -> decode(webP, "RGB"))
        .isInstanceOf(OnnxException.class)
        .hasMessageContaining("WebP is not supported; give BMP, JPEG, PNG, PNM or TIFF");
    byte[] jpeg2000 = joined("", 0, 0, 0, 12, 'j', 'P', ' ', ' ', 13, 10);
    assertThatThrownBy(() -> decode(jpeg2000, "RGB")).hasMessageContaining("JPEG 2000");
    assertThatThrownBy(() -> decode(ascii("P1 1 1\n1"), "CMYK"))
        .hasMessageContaining("pixel_format 'CMYK' is not known, expected RGB, BGR or Grayscale");
  }

  @Test
  void withoutDesktopModuleTheRemedyIsTold() {
    List<String> options = List.of("--limit-modules", "java.base,java.management,jdk.jfr");
    assertThat(ChildJvm.run(options, DecodingMain.class).lines())
        .containsExactly(
            "[1, 1, 3]",
            "test.onnx: ImageDecoder 'imagedecoder_node': images are read by the module"
                + " java.desktop, which this JVM lacks; start it with --add-modules java.desktop,"
                + " and put that module into the image of jlink");
  }
}
