package io.quern.cpu.elementwise;

import io.quern.cpu.VectorTier;
import io.quern.op.Binary;
import io.quern.op.Compare;
import io.quern.op.Unary;
import java.lang.invoke.MethodHandle;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** The loops of elementwise functions of F32, made when they are first asked for. Thread-safe. */
public final class Loops {
  private static final boolean VECTOR = VectorTier.chosen().isVector();
  private static final Map<Object, Loop> LOOPS = new ConcurrentHashMap<>();
  private static final Map<Object, MethodHandle> FUNCTIONS = new ConcurrentHashMap<>();

  private Loops() {}

  /** The loop of a function of one operand, in the process' tier. */
  public static Loop unary(Unary.Fn fn) {
    return LOOPS.computeIfAbsent(fn, key -> VECTOR ? VectorUnaryF32.of(fn) : ScalarUnaryF32.of(fn));
  }

  /** The loop of a function of two operands, in the process' tier. */
  public static Loop binary(Binary.Fn fn) {
    return LOOPS.computeIfAbsent(
        fn, key -> VECTOR && isVectorised(fn) ? VectorBinaryF32.of(fn) : ScalarBinaryF32.of(fn));
  }

  /** The loop of a comparison. */
  static Loop compare(Compare.Fn fn) {
    return LOOPS.computeIfAbsent(fn, key -> CompareF32.of(fn));
  }

  /** Whether there is a {@link #vectorFunction} for it. */
  public static boolean isVectorised(Binary.Fn fn) {
    return fn != Binary.Fn.POW;
  }

  /** A function from a FloatVector to another. */
  public static MethodHandle vectorFunction(Unary.Fn fn) {
    return FUNCTIONS.computeIfAbsent(fn, key -> VectorUnaryF32.function(fn));
  }

  /** A function from two FloatVectors to another. */
  public static MethodHandle vectorFunction(Binary.Fn fn) {
    return FUNCTIONS.computeIfAbsent(fn, key -> VectorBinaryF32.function(fn));
  }
}
