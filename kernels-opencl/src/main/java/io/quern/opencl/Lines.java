package io.quern.opencl;

import io.quern.backend.Arithmetic;

/** Writes instructions as OpenCL C on vectors, a line each. Values are names, used once. */
final class Lines implements Arithmetic<String> {
  private final StringBuilder text = new StringBuilder();
  private final int width;
  private int names;

  /** Lines on vectors of {@code width} elements, 1 for single ones. */
  Lines(int width) {
    this.width = width;
  }

  String text() {
    return text.toString();
  }

  /** The vector type of a type of elements. */
  String type(String element) {
    return width == 1 ? element : element + width;
  }

  private String line(String element, String format, Object... values) {
    String name = "v" + names++;
    text.append("  " + type(element) + " " + name + " = " + format.formatted(values) + ";\n");
    return name;
  }

  private String floating(String format, Object... values) {
    return line("float", format, values);
  }

  private String integer(String format, Object... values) {
    return line("int", format, values);
  }

  @Override
  public String literal(float value) {
    return floating("as_float(0x%08x)", Float.floatToRawIntBits(value));
  }

  @Override
  public String literal(int value) {
    return integer("as_int(0x%08x)", value);
  }

  @Override
  public String add(String x, String y) {
    return floating("%s + %s", x, y);
  }

  @Override
  public String sub(String x, String y) {
    return floating("%s - %s", x, y);
  }

  @Override
  public String mul(String x, String y) {
    return floating("%s * %s", x, y);
  }

  @Override
  public String div(String x, String y) {
    return floating("%s / %s", x, y);
  }

  @Override
  public String fma(String x, String y, String z) {
    return floating("fma(%s, %s, %s)", x, y, z);
  }

  @Override
  public String neg(String x) {
    return floating("-%s", x);
  }

  @Override
  public String abs(String x) {
    return floating("fabs(%s)", x);
  }

  @Override
  public String sqrt(String x) {
    return floating("sqrt(%s)", x);
  }

  @Override
  public String min(String x, String y) {
    return neg(max(neg(x), neg(y)));
  }

  @Override
  public String max(String x, String y) {
    String first = integer("(%1$s > %2$s) | ((%1$s == %2$s) & (%3$s < 0))", x, y, bits(y));
    String nan = integer("isnan(%s) | isnan(%s)", x, y);
    return select(nan, add(x, y), select(first, x, y));
  }

  @Override
  public String less(String x, String y) {
    return integer("%s < %s", x, y);
  }

  @Override
  public String equal(String x, String y) {
    return integer("%s == %s", x, y);
  }

  @Override
  public String isNaN(String x) {
    return integer("isnan(%s)", x);
  }

  @Override
  public String select(String condition, String then, String otherwise) {
    return floating("%s ? %s : %s", condition, then, otherwise);
  }

  @Override
  public String bits(String x) {
    return integer("as_%s(%s)", type("int"), x);
  }

  @Override
  public String fromBits(String x) {
    return floating("as_%s(%s)", type("float"), x);
  }

  @Override
  public String toFloat(String x) {
    return floating("convert_%s(%s)", type("float"), x);
  }

  @Override
  public String plus(String x, String y) {
    return unsigned("%s + %s", x, y);
  }

  @Override
  public String minus(String x, String y) {
    return unsigned("%s - %s", x, y);
  }

  /** Signed sums must not overflow. */
  private String unsigned(String format, String x, String y) {
    String uint = "as_" + type("uint");
    String sum = format.formatted(uint + "(" + x + ")", uint + "(" + y + ")");
    return integer("as_%s(%s)", type("int"), sum);
  }

  @Override
  public String and(String x, String y) {
    return integer("%s & %s", x, y);
  }

  @Override
  public String or(String x, String y) {
    return integer("%s | %s", x, y);
  }

  @Override
  public String shiftLeft(String x, int by) {
    return integer("%s << %d", x, by);
  }

  @Override
  public String shiftRight(String x, int by) {
    return integer("%s >> %d", x, by);
  }

  @Override
  public String shiftRightUnsigned(String x, int by) {
    return integer("as_%s(as_%s(%s) >> %d)", type("int"), type("uint"), x, by);
  }
}
