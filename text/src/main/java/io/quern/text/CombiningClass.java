package io.quern.text;

import java.text.Normalizer.Form;

/**
 * Canonical combining classes, as ordinals in their order. The JDK has no access to them, but its
 * normaliser sorts by them: a mark is compared with one of each class.
 */
final class CombiningClass {
  /** A mark of each class, in ascending order. */
  private static final int[] MARKS = {
    0x334, 0x93C, 0x3099, 0x94D, 0x5B0, 0x5B1, 0x5B2, 0x5B3, 0x5B4, 0x5B5, 0x5B6, 0x5B7, 0x5B8,
    0x5B9, 0x5BB, 0x5BC, 0x5BD, 0x5BF, 0x5C1, 0x5C2, 0xFB1E, 0x64B, 0x64C, 0x64D, 0x64E, 0x64F,
    0x650, 0x651, 0x652, 0x670, 0x711, 0xC55, 0xC56, 0xE38, 0xE48, 0xEB8, 0xEC8, 0xF71, 0xF72,
    0xF74, 0x321, 0x1DCE, 0x31B, 0x302A, 0x316, 0x59A, 0x302E, 0x1D16D, 0x5AE, 0x301, 0x315, 0x35C,
    0x35D, 0x345
  };

  private static final Pages<Byte> PAGES = new Pages<>(CombiningClass::find);

  private CombiningClass() {}

  /** 0 for starters, otherwise larger for larger classes. */
  static byte of(int codePoint) {
    return codePoint < 0x300 ? 0 : PAGES.get(codePoint);
  }

  private static byte find(int codePoint) {
    if (!Unicode.isMark(codePoint)) {
      return 0;
    }
    byte below = 0;
    while (below < MARKS.length && goesBefore(MARKS[below], codePoint)) {
      below++;
    }
    boolean isStarter = below == 0 && !goesBefore(codePoint, MARKS[MARKS.length - 1]);
    return isStarter ? 0 : (byte) (below + 1);
  }

  /** Whether the class of one mark is less than that of another, and neither is 0. */
  private static boolean goesBefore(int mark, int other) {
    if (mark == other) {
      return false;
    }
    String unordered = Character.toString(other) + Character.toString(mark);
    String ordered = Character.toString(mark) + Character.toString(other);
    return java.text.Normalizer.normalize(unordered, Form.NFD).equals(ordered);
  }
}
