package io.quern.text;

import java.text.Normalizer.Form;
import java.util.Arrays;

/**
 * The normalisation forms of Unicode (UAX #15), with the changes told code point by code point,
 * which {@link java.text.Normalizer} does not; it serves as the table of decompositions.
 */
enum UnicodeForm implements Normalizer {
  /** Canonical decomposition. */
  NFD(Decomposition.CANONICAL, false, 0xC0),
  /** Canonical decomposition, then composition. */
  NFC(Decomposition.CANONICAL, true, 0x300),
  /** Compatibility decomposition. */
  NFKD(Decomposition.COMPATIBLE, false, 0xA0),
  /** Compatibility decomposition, then composition. */
  NFKC(Decomposition.COMPATIBLE, true, 0xA0);

  private final Decomposition decomposition;
  private final boolean compose;

  /** Text with characters below this only stays as it is. */
  private final int inert;

  UnicodeForm(Decomposition decomposition, boolean compose, int inert) {
    this.decomposition = decomposition;
    this.compose = compose;
    this.inert = inert;
  }

  @Override
  public void normalize(Text text, int from, int to, Text out) {
    if (text.isBelow(inert, from, to)) {
      out.append(text, from, to);
      return;
    }
    Buffer buffer = new Buffer(to - from);
    for (int i = from, c; i < to; i += Character.charCount(c)) {
      c = text.codePointAt(i);
      int[] parts = decomposition.of(c);
      for (int part = 0; part < parts.length; part++) {
        buffer.add(parts[part], part == 0 ? 0 : 1);
      }
    }
    if (compose) {
      buffer.compose();
    }
    out.transform(text, from, to, buffer.codePoints, buffer.changes, buffer.size);
  }

  /** Code points with the changes that {@link Text#transform} takes. */
  private static final class Buffer {
    private int[] codePoints;
    private int[] changes;
    private byte[] classes;
    private int size;

    Buffer(int capacity) {
      codePoints = new int[capacity];
      changes = new int[capacity];
      classes = new byte[capacity];
    }

    /** Adds a code point in canonical order. */
    void add(int codePoint, int change) {
      if (size == codePoints.length) {
        codePoints = Arrays.copyOf(codePoints, size * 2);
        changes = Arrays.copyOf(changes, size * 2);
        classes = Arrays.copyOf(classes, size * 2);
      }
      byte type = CombiningClass.of(codePoint);
      int at = size++;
      for (; type != 0 && at > 0 && classes[at - 1] > type; at--) {
        codePoints[at] = codePoints[at - 1];
        changes[at] = changes[at - 1];
        classes[at] = classes[at - 1];
      }
      codePoints[at] = codePoint;
      changes[at] = change;
      classes[at] = type;
    }

    void compose() {
      int count = 0;
      int starter = -1;
      int last = -1;
      for (int i = 0; i < size; i++) {
        if (starter >= 0 && last < classes[i]) {
          int composed = Decomposition.compose(codePoints[starter], codePoints[i]);
          if (composed >= 0) {
            codePoints[starter] = composed;
            changes[starter] += changes[i] - 1;
            continue;
          }
        }
        if (classes[i] == 0) {
          starter = count;
          last = -1;
        } else {
          last = classes[i];
        }
        codePoints[count] = codePoints[i];
        changes[count] = changes[i];
        count++;
      }
      size = count;
    }
  }

  /** What code points decompose to, in full. */
  private static final class Decomposition {
    static final Decomposition CANONICAL = new Decomposition(Form.NFD);
    static final Decomposition COMPATIBLE = new Decomposition(Form.NFKD);

    private final Pages<int[]> pages;

    private Decomposition(Form form) {
      pages = new Pages<>(c -> decompose(c, form));
    }

    private static int[] decompose(int c, Form form) {
      String string = Character.toString(c);
      return Unicode.isDecomposable(c)
          ? java.text.Normalizer.normalize(string, form).codePoints().toArray()
          : new int[] {c};
    }

    int[] of(int c) {
      return pages.get(c);
    }

    /** The code point that two compose to, or -1. */
    static int compose(int first, int second) {
      if (!Unicode.isMark(second) && !isConjoiningJamo(second)) {
        return -1;
      }
      String pair = Character.toString(first) + Character.toString(second);
      String composed = java.text.Normalizer.normalize(pair, Form.NFC);
      int c = composed.codePointAt(0);
      return composed.length() == Character.charCount(c) && Unicode.isDecomposable(c) ? c : -1;
    }

    /** Vowels and final consonants of Hangul. */
    private static boolean isConjoiningJamo(int c) {
      return c >= 0x1160 && c <= 0x11FF;
    }
  }
}
