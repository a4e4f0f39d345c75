package io.quern.cpu.elementwise;

import io.quern.DType;
import io.quern.cpu.Trial;
import io.quern.cpu.Twins;
import io.quern.op.Binary;
import io.quern.op.Compare;
import io.quern.op.Unary;
import java.lang.invoke.MethodHandle;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;

/** The loops of elementwise functions of F32, made when they are first asked for. Thread-safe. */
public final class Loops {
  private static final int TRIAL = 256;
  private static final Map<Object, Twins<Loop>> LOOPS = new ConcurrentHashMap<>();
  private static final Map<Object, MethodHandle> FUNCTIONS = new ConcurrentHashMap<>();

  private Loops() {}

  /** The loop of a function of one operand. */
  public static Twins<Loop> unary(Unary.Fn fn) {
    return LOOPS.computeIfAbsent(
        fn,
        key ->
            Twins.ofKernel(
                key + " of floats",
                () -> scalar(fn),
                () -> VectorUnaryF32.of(fn),
                loop ->
                    Trial.run(
                        2, TRIAL, o -> loop.run(o.address(0), 0, 0, o.address(1), TRIAL - 3))));
  }

  /** The loop of a function of two operands. */
  public static Twins<Loop> binary(Binary.Fn fn) {
    return LOOPS.computeIfAbsent(
        fn,
        key ->
            isVectorised(fn)
                ? Twins.ofKernel(
                    key + " of floats",
                    () -> scalar(fn),
                    () -> VectorBinaryF32.of(fn),
                    loop ->
                        Trial.run(
                            3,
                            TRIAL,
                            o -> loop.run(o.address(0), o.address(1), 0, o.address(2), TRIAL - 3)))
                : Twins.only(scalar(fn)));
  }

  /** The loop of a function of one operand without vectors. */
  public static Loop scalar(Unary.Fn fn) {
    return ScalarUnaryF32.of(fn);
  }

  /** The loop of a function of two operands without vectors. */
  public static Loop scalar(Binary.Fn fn) {
    return ScalarBinaryF32.of(fn);
  }

  /** The loop of a comparison. */
  static Twins<Loop> compare(Compare.Fn fn) {
    return LOOPS.computeIfAbsent(fn, key -> Twins.only(CompareF32.of(fn)));
  }

  /** The loop that converts between two dtypes, if there is one. */
  public static Optional<Loop> cast(DType from, DType to) {
    return Optional.ofNullable(SimpleLoops.cast(from, to));
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
