package io.quern.onnx;

import static java.nio.charset.StandardCharsets.US_ASCII;

import io.quern.onnx.ImageDecoder.Pixels;

/**
 * Images in the portable formats PBM, PGM and PPM, as text or bytes: <a
 * href="https://netpbm.sourceforge.net/doc/pnm.html">Netpbm</a>'s PNM.
 */
final class PortableImage {
  private final byte[] bytes;
  private int at = 2;

  private PortableImage(byte[] bytes) {
    this.bytes = bytes;
  }

  /** Whether the first bytes are those of a portable image. */
  static boolean is(byte[] bytes) {
    return bytes.length > 2 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '6';
  }

  /** The first image, or {@link Pixels#NONE} when it is damaged. */
  static Pixels read(byte[] bytes) {
    try {
      return new PortableImage(bytes).pixels(bytes[1] - '0');
    } catch (ArithmeticException | IndexOutOfBoundsException | NumberFormatException e) {
      return Pixels.NONE;
    }
  }

  private Pixels pixels(int kind) {
    boolean isText = kind <= 3;
    boolean isBits = kind == 1 || kind == 4;
    boolean isColour = kind == 3 || kind == 6;
    int width = number();
    int height = number();
    int most = isBits ? 1 : number();
    int channels = isColour ? 3 : 1;
    if (most < 1 || most > 0xFFFF) {
      return Pixels.NONE;
    }
    if (!isText) {
      at++; // one blank before the samples
      long row = isBits ? (width + 7L) / 8 : (long) width * channels * (most > 255 ? 2 : 1);
      if (row * height > bytes.length - at) {
        return Pixels.NONE;
      }
    } else if ((long) width * height * channels > bytes.length) {
      return Pixels.NONE;
    }
    Pixels pixels = Pixels.of(height, width);
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++) {
        for (int channel = 0; channel < channels; channel++) {
          int sample = isBits ? 1 - bit(isText, x) : isText ? number() : sample(most);
          byte scaled = (byte) ((Math.min(sample, most) * 255 + most / 2) / most);
          int pixel = 3 * (y * width + x);
          pixels.rgb()[pixel + channel] = scaled;
          if (!isColour) {
            pixels.rgb()[pixel + 1] = scaled;
            pixels.rgb()[pixel + 2] = scaled;
          }
        }
      }
      at += isBits && !isText ? (width + 7) / 8 : 0;
    }
    return pixels;
  }

  /** A number in decimal digits after blanks and comments. */
  private int number() {
    skipBlanks();
    int start = at;
    while (at < bytes.length && bytes[at] >= '0' && bytes[at] <= '9') {
      at++;
    }
    return Integer.parseInt(new String(bytes, start, at - start, US_ASCII));
  }

  private void skipBlanks() {
    while (bytes[at] == '#' || Character.isWhitespace(bytes[at])) {
      boolean isComment = bytes[at++] == '#';
      while (isComment && bytes[at] != '\n' && bytes[at] != '\r') {
        at++;
      }
    }
  }

  /** A bit, 1 for black: a digit of its own, or one of the row's bytes, from the highest on. */
  private int bit(boolean isText, int x) {
    if (!isText) {
      return (bytes[at + x / 8] >> (7 - x % 8)) & 1;
    }
    skipBlanks();
    return bytes[at++] - '0';
  }

  private int sample(int most) {
    int high = most > 255 ? bytes[at++] & 0xFF : 0;
    return (high << 8) | (bytes[at++] & 0xFF);
  }
}
