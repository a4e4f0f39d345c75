package io.quern.cli;

import java.util.ArrayList;
import java.util.List;

/** Grey images as text: the brighter a pixel, the denser its character. */
final class TextPictures {
  private static final String DENSITIES = " .:-=+*#%@";

  /** Characters are about twice as high as wide. */
  private static final int COLUMNS = 24;

  private static final int ROWS = 12;
  private static final String GAP = "   ";

  private TextPictures() {}

  /** A square picture with lines of text below it. */
  static final class Picture {
    private final byte[] pixels;
    private final int side;
    private final List<String> captions;

    /**
     * A picture.
     *
     * @param pixels rows from top to bottom, one byte from 0 (black) to 255 (white) per pixel
     * @param side width and height in pixels
     * @param captions what stands below it
     */
    Picture(byte[] pixels, int side, List<String> captions) {
      this.pixels = pixels.clone();
      this.side = side;
      this.captions = List.copyOf(captions);
    }

    private List<String> lines() {
      List<String> lines = new ArrayList<>();
      for (int row = 0; row < ROWS; row++) {
        StringBuilder line = new StringBuilder();
        for (int column = 0; column < COLUMNS; column++) {
          int level = (int) (brightness(row, column) * DENSITIES.length() / 256);
          line.append(DENSITIES.charAt(level));
        }
        lines.add(line.toString());
      }
      lines.addAll(captions);
      return lines;
    }

    /** Mean of the pixels that a character covers, in part or in whole. */
    private double brightness(int row, int column) {
      int top = row * side / ROWS;
      int bottom = Math.ceilDiv((row + 1) * side, ROWS);
      int left = column * side / COLUMNS;
      int right = Math.ceilDiv((column + 1) * side, COLUMNS);
      long sum = 0;
      for (int y = top; y < bottom; y++) {
        for (int x = left; x < right; x++) {
          sum += pixels[y * side + x] & 0xff;
        }
      }
      return (double) sum / ((bottom - top) * (right - left));
    }
  }

  /** Pictures side by side; captions are cut to the width of a picture. */
  static String sideBySide(List<Picture> pictures) {
    List<List<String>> columns = pictures.stream().map(Picture::lines).toList();
    int height = columns.stream().mapToInt(List::size).max().orElse(0);
    StringBuilder text = new StringBuilder();
    for (int row = 0; row < height; row++) {
      StringBuilder line = new StringBuilder();
      for (List<String> column : columns) {
        String part = row < column.size() ? column.get(row) : "";
        line.append(part, 0, Math.min(COLUMNS, part.length()))
            .append(" ".repeat(Math.max(0, COLUMNS - part.length())))
            .append(GAP);
      }
      text.append(line.toString().stripTrailing()).append('\n');
    }
    return text.toString();
  }
}
