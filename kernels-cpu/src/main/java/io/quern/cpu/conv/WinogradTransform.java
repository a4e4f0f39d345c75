package io.quern.cpu.conv;

import io.quern.backend.Operands;
import io.quern.cpu.MachineTier;
import io.quern.cpu.Trial;
import io.quern.cpu.Twins;
import io.quern.runtime.Raw;

/**
 * The one-dimensional transforms of Winograd's minimal filtering F(4, 3) at the points 0, 5/8,
 * -5/8, 3/2, -3/2 and infinity (Lavin and Gray, "Fast algorithms for convolutional neural
 * networks", 2015): {@code y = A' ((G g) * (B' d))} for six pixels d, three weights g and four
 * outputs y. Points of moderate size around 1 keep what the transforms amplify small. Twice, along
 * columns and rows, they make F(4x4, 3x3).
 *
 * <p>Each method transforms {@code count} groups of channels, {@code bytes} bytes at each of the
 * addresses, a multiple of a vector; the next group is read {@code next} bytes further on and
 * written {@code toNext} bytes further on. This class is the scalar twin. Thread-safe.
 */
class WinogradTransform {
  static final float A1 = 0.625f;
  static final float B1 = 1.5f;
  static final float A2 = A1 * A1;
  static final float B2 = B1 * B1;
  static final float A3 = A2 * A1;
  static final float B3 = B2 * B1;
  static final float SUM = A2 + B2;
  static final float PRODUCT = A2 * B2;
  static final float G0 = (float) (1 / (double) PRODUCT);
  static final float GA0 = (float) (1 / (2.0 * A2 * (A2 - B2)));
  static final float GA1 = (float) (A1 / (2.0 * A2 * (A2 - B2)));
  static final float GA2 = (float) (A2 / (2.0 * A2 * (A2 - B2)));
  static final float GB0 = (float) (1 / (2.0 * B2 * (B2 - A2)));
  static final float GB1 = (float) (B1 / (2.0 * B2 * (B2 - A2)));
  static final float GB2 = (float) (B2 / (2.0 * B2 * (B2 - A2)));

  /** Apart from the class itself, whose subclass is initialised here. */
  private static final class Chosen {
    private static final int TRIAL = 36 * 16;
    private static final int TIMES = 50;
    private static final long VECTOR = 64;

    static final Twins<WinogradTransform> TWINS =
        MachineTier.has512Bits()
            ? Twins.only(new MachineWinogradTransform())
            : Twins.ofKernel(
                "Winograd's transforms",
                WinogradTransform::new,
                () -> new VectorWinogradTransform(),
                one -> Trial.run(7, TRIAL, operands -> tryOut(one, operands)));

    private static void tryOut(WinogradTransform one, Operands o) {
      long x = o.address(0);
      long y = o.address(3);
      long w = o.address(5);
      for (int i = 0; i < TIMES; i++) {
        one.input(
            x,
            x + VECTOR,
            x + 2 * VECTOR,
            x + 3 * VECTOR,
            x + 4 * VECTOR,
            x + 5 * VECTOR,
            6 * VECTOR,
            o.address(1),
            VECTOR,
            6 * VECTOR,
            2,
            VECTOR);
        one.output(
            o.address(1),
            VECTOR,
            6 * VECTOR,
            o.address(2),
            y,
            y + VECTOR,
            y + 2 * VECTOR,
            y + 3 * VECTOR,
            4 * VECTOR,
            2,
            VECTOR,
            0);
        one.gradient(
            y,
            y + VECTOR,
            y + 2 * VECTOR,
            y + 3 * VECTOR,
            4 * VECTOR,
            o.address(4),
            VECTOR,
            6 * VECTOR,
            2,
            VECTOR);
        one.weightGrad(o.address(4), VECTOR, w, VECTOR, VECTOR);
        one.weights(w, VECTOR, 0, o.address(6), VECTOR, 0, 2, VECTOR);
      }
    }
  }

  /** The implementations of this process. */
  static Twins<WinogradTransform> twins() {
    return Chosen.TWINS;
  }

  /** {@code B' d}: six pixels to six points, {@code step} bytes apart. */
  void input(
      long x0,
      long x1,
      long x2,
      long x3,
      long x4,
      long x5,
      long next,
      long to,
      long step,
      long toNext,
      int count,
      long bytes) {
    for (int i = 0; i < count; i++) {
      for (long at = 0; at < bytes; at += 4) {
        float d1 = Raw.getFloat(x1 + at);
        float d2 = Raw.getFloat(x2 + at);
        float d3 = Raw.getFloat(x3 + at);
        float d4 = Raw.getFloat(x4 + at);
        float t0 = Math.fma(PRODUCT, Raw.getFloat(x0 + at), Math.fma(-SUM, d2, d4));
        float t5 = Math.fma(PRODUCT, d1, Math.fma(-SUM, d3, Raw.getFloat(x5 + at)));
        float evenA = Math.fma(-B2, d2, d4);
        float oddA = A1 * Math.fma(-B2, d1, d3);
        float evenB = Math.fma(-A2, d2, d4);
        float oddB = B1 * Math.fma(-A2, d1, d3);
        Raw.putFloat(to + at, t0);
        Raw.putFloat(to + at + step, evenA + oddA);
        Raw.putFloat(to + at + 2 * step, evenA - oddA);
        Raw.putFloat(to + at + 3 * step, evenB + oddB);
        Raw.putFloat(to + at + 4 * step, evenB - oddB);
        Raw.putFloat(to + at + 5 * step, t5);
      }
      x0 += next;
      x1 += next;
      x2 += next;
      x3 += next;
      x4 += next;
      x5 += next;
      to += toNext;
    }
  }

  /**
   * {@code A' m + bias}: six points, {@code step} bytes apart, to four outputs, or {@code least}
   * where that is more.
   */
  void output(
      long from,
      long step,
      long next,
      long bias,
      long y0,
      long y1,
      long y2,
      long y3,
      long toNext,
      int count,
      long bytes,
      float least) {
    for (int i = 0; i < count; i++) {
      for (long at = 0; at < bytes; at += 4) {
        float m1 = Raw.getFloat(from + at + step);
        float m2 = Raw.getFloat(from + at + 2 * step);
        float m3 = Raw.getFloat(from + at + 3 * step);
        float m4 = Raw.getFloat(from + at + 4 * step);
        float add = Raw.getFloat(bias + at);
        float evenA = m1 + m2;
        float oddA = m1 - m2;
        float evenB = m3 + m4;
        float oddB = m3 - m4;
        float z0 = Raw.getFloat(from + at) + evenA + evenB;
        float z1 = Math.fma(A1, oddA, B1 * oddB);
        float z2 = Math.fma(A2, evenA, B2 * evenB);
        float z3 = Math.fma(A3, oddA, Math.fma(B3, oddB, Raw.getFloat(from + at + 5 * step)));
        Raw.putFloat(y0 + at, atLeast(z0 + add, least));
        Raw.putFloat(y1 + at, atLeast(z1 + add, least));
        Raw.putFloat(y2 + at, atLeast(z2 + add, least));
        Raw.putFloat(y3 + at, atLeast(z3 + add, least));
      }
      from += next;
      y0 += toNext;
      y1 += toNext;
      y2 += toNext;
      y3 += toNext;
    }
  }

  /** The larger one, which is {@code least} of equal ones; NaN stays. */
  private static float atLeast(float y, float least) {
    return y <= least ? least : y;
  }

  /** {@code A y}: four gradients of outputs to six points, {@code step} bytes apart. */
  void gradient(
      long y0,
      long y1,
      long y2,
      long y3,
      long next,
      long to,
      long step,
      long toNext,
      int count,
      long bytes) {
    for (int i = 0; i < count; i++) {
      for (long at = 0; at < bytes; at += 4) {
        float g0 = Raw.getFloat(y0 + at);
        float g1 = Raw.getFloat(y1 + at);
        float g2 = Raw.getFloat(y2 + at);
        float g3 = Raw.getFloat(y3 + at);
        float evenA = Math.fma(A2, g2, g0);
        float oddA = Math.fma(A3, g3, A1 * g1);
        float evenB = Math.fma(B2, g2, g0);
        float oddB = Math.fma(B3, g3, B1 * g1);
        Raw.putFloat(to + at, g0);
        Raw.putFloat(to + at + step, evenA + oddA);
        Raw.putFloat(to + at + 2 * step, evenA - oddA);
        Raw.putFloat(to + at + 3 * step, evenB + oddB);
        Raw.putFloat(to + at + 4 * step, evenB - oddB);
        Raw.putFloat(to + at + 5 * step, g3);
      }
      y0 += next;
      y1 += next;
      y2 += next;
      y3 += next;
      to += toNext;
    }
  }

  /**
   * {@code G g G'}: windows of three by three weights, {@code tap} bytes apart, to 36 points,
   * {@code step} bytes apart, row by row.
   */
  void weights(
      long from, long tap, long next, long to, long step, long toNext, int count, long bytes) {
    for (int i = 0; i < count; i++) {
      for (long at = 0; at < bytes; at += 4) {
        for (int x = 0; x < 3; x++) {
          sixPoints(from + at + x * tap, 3 * tap, to + at + x * step, 6 * step);
        }
        for (int y = 0; y < 6; y++) {
          long row = to + at + 6L * y * step;
          sixPoints(row, step, row, step);
        }
      }
      from += next;
      to += toNext;
    }
  }

  /** {@code G g}: three weights to six points. */
  private static void sixPoints(long from, long fromStep, long to, long step) {
    float g0 = Raw.getFloat(from);
    float g1 = Raw.getFloat(from + fromStep);
    float g2 = Raw.getFloat(from + 2 * fromStep);
    float evenA = Math.fma(GA2, g2, GA0 * g0);
    float oddA = GA1 * g1;
    float evenB = Math.fma(GB2, g2, GB0 * g0);
    float oddB = GB1 * g1;
    Raw.putFloat(to, G0 * g0);
    Raw.putFloat(to + step, evenA + oddA);
    Raw.putFloat(to + 2 * step, evenA - oddA);
    Raw.putFloat(to + 3 * step, evenB + oddB);
    Raw.putFloat(to + 4 * step, evenB - oddB);
    Raw.putFloat(to + 5 * step, g2);
  }

  /**
   * {@code G' r}: six points, {@code step} bytes apart, to the gradients of three weights, {@code
   * toStep} bytes apart.
   */
  void weightGrad(long from, long step, long to, long toStep, long bytes) {
    for (long at = 0; at < bytes; at += 4) {
      float r1 = Raw.getFloat(from + at + step);
      float r2 = Raw.getFloat(from + at + 2 * step);
      float r3 = Raw.getFloat(from + at + 3 * step);
      float r4 = Raw.getFloat(from + at + 4 * step);
      float evenA = r1 + r2;
      float oddA = r1 - r2;
      float evenB = r3 + r4;
      float oddB = r3 - r4;
      float g0 = Math.fma(GA0, evenA, Math.fma(GB0, evenB, G0 * Raw.getFloat(from + at)));
      float g1 = Math.fma(GA1, oddA, GB1 * oddB);
      float g2 = Math.fma(GA2, evenA, Math.fma(GB2, evenB, Raw.getFloat(from + at + 5 * step)));
      Raw.putFloat(to + at, g0);
      Raw.putFloat(to + at + toStep, g1);
      Raw.putFloat(to + at + 2 * toStep, g2);
    }
  }
}
