package io.quern.conformance;

import io.quern.backend.Arithmetic;
import io.quern.backend.Formulas;
import io.quern.op.Binary;
import io.quern.op.ScalarProgram;
import io.quern.op.Unary;
import java.util.List;

/** Carries the instructions of formulas out. Floats, ints and truth values are kept as bits. */
public final class Floats implements Arithmetic<Integer> {
  /** {@code fn} of each value, by its formula. */
  public static float[] apply(Unary.Fn fn, float[] x) {
    ScalarProgram program = new ScalarProgram(1, List.of(new ScalarProgram.Apply1(fn, 0)));
    float[] results = new float[x.length];
    for (int i = 0; i < x.length; i++) {
      results[i] = run(program, List.of(bits(x[i])));
    }
    return results;
  }

  /** {@code fn} of each pair of values, by its formula. */
  public static float[] apply(Binary.Fn fn, float[] x, float[] y) {
    ScalarProgram program = new ScalarProgram(2, List.of(new ScalarProgram.Apply2(fn, 0, 1)));
    float[] results = new float[x.length];
    for (int i = 0; i < x.length; i++) {
      results[i] = run(program, List.of(bits(x[i]), bits(y[i])));
    }
    return results;
  }

  private static float run(ScalarProgram program, List<Integer> inputs) {
    return f(new Formulas<>(new Floats()).run(program, inputs));
  }

  private static float f(int bits) {
    return Float.intBitsToFloat(bits);
  }

  private static int bits(float x) {
    return Float.floatToRawIntBits(x);
  }

  private static int truth(boolean holds) {
    return holds ? 1 : 0;
  }

  @Override
  public Integer literal(float value) {
    return bits(value);
  }

  @Override
  public Integer literal(int value) {
    return value;
  }

  @Override
  public Integer add(Integer x, Integer y) {
    return bits(f(x) + f(y));
  }

  @Override
  public Integer sub(Integer x, Integer y) {
    return bits(f(x) - f(y));
  }

  @Override
  public Integer mul(Integer x, Integer y) {
    return bits(f(x) * f(y));
  }

  @Override
  public Integer div(Integer x, Integer y) {
    return bits(f(x) / f(y));
  }

  @Override
  public Integer fma(Integer x, Integer y, Integer z) {
    return bits(Math.fma(f(x), f(y), f(z)));
  }

  @Override
  public Integer neg(Integer x) {
    return bits(-f(x));
  }

  @Override
  public Integer abs(Integer x) {
    return bits(Math.abs(f(x)));
  }

  @Override
  public Integer sqrt(Integer x) {
    return bits((float) Math.sqrt(f(x)));
  }

  @Override
  public Integer min(Integer x, Integer y) {
    return bits(Math.min(f(x), f(y)));
  }

  @Override
  public Integer max(Integer x, Integer y) {
    return bits(Math.max(f(x), f(y)));
  }

  @Override
  public Integer less(Integer x, Integer y) {
    return truth(f(x) < f(y));
  }

  @Override
  public Integer equal(Integer x, Integer y) {
    return truth(f(x) == f(y));
  }

  @Override
  public Integer isNaN(Integer x) {
    return truth(Float.isNaN(f(x)));
  }

  @Override
  public Integer select(Integer condition, Integer then, Integer otherwise) {
    return condition != 0 ? then : otherwise;
  }

  @Override
  public Integer bits(Integer x) {
    return x;
  }

  @Override
  public Integer fromBits(Integer x) {
    return x;
  }

  @Override
  public Integer toFloat(Integer x) {
    return bits((float) x.intValue());
  }

  @Override
  public Integer plus(Integer x, Integer y) {
    return x + y;
  }

  @Override
  public Integer minus(Integer x, Integer y) {
    return x - y;
  }

  @Override
  public Integer and(Integer x, Integer y) {
    return x & y;
  }

  @Override
  public Integer or(Integer x, Integer y) {
    return x | y;
  }

  @Override
  public Integer shiftLeft(Integer x, int by) {
    return x << by;
  }

  @Override
  public Integer shiftRight(Integer x, int by) {
    return x >> by;
  }

  @Override
  public Integer shiftRightUnsigned(Integer x, int by) {
    return x >>> by;
  }
}
