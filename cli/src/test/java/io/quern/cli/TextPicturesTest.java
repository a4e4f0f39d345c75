package io.quern.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.cli.TextPictures.Picture;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class TextPicturesTest {
  private static Picture plain(int level, String... captions) {
    byte[] pixels = new byte[28 * 28];
    Arrays.fill(pixels, (byte) level);
    return new Picture(pixels, 28, List.of(captions));
  }

  @Test
  void blackIsEmptyAndWhiteIsDense() {
    assertThat(TextPictures.sideBySide(List.of(plain(0), plain(255))).lines())
        .hasSize(12)
        .allMatch(line -> line.equals(" ".repeat(27) + "@".repeat(24)));
  }

  @Test
  void brighterIsDenserFromLeftToRight() {
    byte[] pixels = new byte[28 * 28];
    for (int i = 0; i < pixels.length; i++) {
      pixels[i] = (byte) (i % 28 * 255 / 27);
    }
    String line =
        TextPictures.sideBySide(List.of(new Picture(pixels, 28, List.of())))
            .lines()
            .findFirst()
            .orElseThrow();
    int last = 0;
    for (int i = 0; i < line.length(); i++) {
      int density = " .:-=+*#%@".indexOf(line.charAt(i));
      assertThat(density).isGreaterThanOrEqualTo(last);
      last = density;
    }
    assertThat(last).isEqualTo(9);
  }

  @Test
  void picturesOfOtherSizesFit() {
    assertThat(TextPictures.sideBySide(List.of(new Picture(new byte[] {-1}, 1, List.of()))).lines())
        .hasSize(12)
        .allMatch(line -> line.equals("@".repeat(24)));
  }

  @Test
  void captionsStandBelowTheirPictureAndAreCut() {
    String text =
        TextPictures.sideBySide(
            List.of(plain(0, "one", "two"), plain(0, "a caption that is longer than it may be")));
    assertThat(text.lines().skip(12))
        .containsExactly("one" + " ".repeat(24) + "a caption that is longer", "two");
  }
}
