package io.quern.cuda.ptx;

import io.quern.backend.Arithmetic;

/** Writes instructions as PTX. Values are names of registers; names are used once. */
final class PtxWriter implements Arithmetic<String> {
  private final StringBuilder text = new StringBuilder();
  private int floats;
  private int ints;
  private int longs;
  private int shorts;
  private int predicates;

  /** Appends a line. */
  void line(String format, Object... arguments) {
    text.append('\t').append(format.formatted(arguments)).append('\n');
  }

  void label(String name) {
    text.append(name).append(":\n");
  }

  String newFloat() {
    return "%f" + ++floats;
  }

  String newInt() {
    return "%r" + ++ints;
  }

  String newLong() {
    return "%rd" + ++longs;
  }

  String newShort() {
    return "%h" + ++shorts;
  }

  String newPredicate() {
    return "%p" + ++predicates;
  }

  /** The declarations of all registers, then the lines. */
  String body() {
    return """
    \t.reg .pred %%p<%d>;
    \t.reg .f32 %%f<%d>;
    \t.reg .b16 %%h<%d>;
    \t.reg .b32 %%r<%d>;
    \t.reg .b64 %%rd<%d>;
    """
            .formatted(predicates + 1, floats + 1, shorts + 1, ints + 1, longs + 1)
        + text;
  }

  /** An instruction whose result is a float. */
  String floating(String instruction, String... operands) {
    return into(newFloat(), instruction, operands);
  }

  /** An instruction whose result is a word of 32 bits. */
  String integer(String instruction, String... operands) {
    return into(newInt(), instruction, operands);
  }

  private String predicate(String instruction, String... operands) {
    return into(newPredicate(), instruction, operands);
  }

  private String into(String result, String instruction, String... operands) {
    line("%s %s, %s;", instruction, result, String.join(", ", operands));
    return result;
  }

  @Override
  public String literal(float value) {
    return floating("mov.f32", "0f%08X".formatted(Float.floatToRawIntBits(value)));
  }

  @Override
  public String literal(int value) {
    return integer("mov.b32", Integer.toString(value));
  }

  @Override
  public String add(String x, String y) {
    return floating("add.rn.f32", x, y);
  }

  @Override
  public String sub(String x, String y) {
    return floating("sub.rn.f32", x, y);
  }

  @Override
  public String mul(String x, String y) {
    return floating("mul.rn.f32", x, y);
  }

  @Override
  public String div(String x, String y) {
    return floating("div.rn.f32", x, y);
  }

  /**
   * A step of Newton's for the inverse and one for the quotient, without what {@code div.rn} does
   * for operands that are extreme. For every share of {@link io.quern.backend.Formulas}, which is
   * of x and x + c, that gives what {@code div.rn} does, though the first inverse be three units of
   * its last place off.
   */
  @Override
  public String share(String part, String whole) {
    String negative = neg(whole);
    String inverse = floating("rcp.approx.ftz.f32", whole);
    inverse = fma(fma(negative, inverse, literal(1f)), inverse, inverse);
    String share = mul(part, inverse);
    return fma(fma(negative, share, part), inverse, share);
  }

  @Override
  public String fma(String x, String y, String z) {
    return floating("fma.rn.f32", x, y, z);
  }

  @Override
  public String neg(String x) {
    return floating("neg.f32", x);
  }

  @Override
  public String abs(String x) {
    return floating("abs.f32", x);
  }

  @Override
  public String sqrt(String x) {
    return floating("sqrt.rn.f32", x);
  }

  @Override
  public String min(String x, String y) {
    return orNaN(floating("min.f32", x, y), x, y);
  }

  @Override
  public String max(String x, String y) {
    return orNaN(floating("max.f32", x, y), x, y);
  }

  /** The instructions that keep NaN are newer than the oldest GPUs. */
  private String orNaN(String result, String x, String y) {
    String number = predicate("setp.num.f32", x, y);
    return floating("selp.f32", result, "0f7FC00000", number);
  }

  @Override
  public String less(String x, String y) {
    return predicate("setp.lt.f32", x, y);
  }

  @Override
  public String equal(String x, String y) {
    return predicate("setp.eq.f32", x, y);
  }

  @Override
  public String isNaN(String x) {
    return predicate("setp.nan.f32", x, x);
  }

  @Override
  public String select(String condition, String then, String otherwise) {
    return floating("selp.f32", then, otherwise, condition);
  }

  @Override
  public String bits(String x) {
    return integer("mov.b32", x);
  }

  @Override
  public String fromBits(String x) {
    return floating("mov.b32", x);
  }

  @Override
  public String toFloat(String x) {
    return floating("cvt.rn.f32.s32", x);
  }

  @Override
  public String plus(String x, String y) {
    return integer("add.s32", x, y);
  }

  @Override
  public String minus(String x, String y) {
    return integer("sub.s32", x, y);
  }

  @Override
  public String and(String x, String y) {
    return integer("and.b32", x, y);
  }

  @Override
  public String or(String x, String y) {
    return integer("or.b32", x, y);
  }

  @Override
  public String shiftLeft(String x, int by) {
    return integer("shl.b32", x, Integer.toString(by));
  }

  @Override
  public String shiftRight(String x, int by) {
    return integer("shr.s32", x, Integer.toString(by));
  }

  @Override
  public String shiftRightUnsigned(String x, int by) {
    return integer("shr.u32", x, Integer.toString(by));
  }
}
