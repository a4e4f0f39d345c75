package io.quern.cpu.attention;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.Assembler;
import io.quern.runtime.Raw;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.function.Function;

/** The loops as machine code, for processes that have it. */
final class MachineAttentionMath extends AttentionMath {
  private static final MethodHandle ROW =
      MachineTier.function(
          FunctionDescriptor.ofVoid(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_FLOAT, JAVA_FLOAT));
  private static final MethodHandle FOLD =
      MachineTier.function(FunctionDescriptor.of(JAVA_FLOAT, JAVA_LONG, JAVA_LONG));

  private static final int VECTOR = 64;

  private final MemorySegment scale = place("scale", AttentionCode::scale);
  private final MemorySegment add = place("add", AttentionCode::add);
  private final MemorySegment scoreGradient = place("score_gradient", AttentionCode::scoreGradient);
  private final MemorySegment max = place("max", AttentionCode::max);
  private final MemorySegment expSum = place("exp_sum", AttentionCode::expSum);
  private final MemorySegment weights = place("weights", AttentionCode::weights);

  private static MemorySegment place(String name, Function<AttentionCode, Assembler> code) {
    return MachineTier.place("attention_" + name, code.apply(new AttentionCode()));
  }

  private static void run(MemorySegment code, long x, long bytes, long other, float f0, float f1) {
    try {
      ROW.invokeExact(code, x, bytes, other, f0, f1);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  @Override
  void scale(long x, float factor, long n) {
    run(scale, x, 4 * n, x, factor, 0);
  }

  @Override
  void scale(long x, float factor, long n, long to) {
    long whole = 4 * n / VECTOR * VECTOR;
    run(scale, x, whole, to, factor, 0);
    for (long at = whole; at < 4 * n; at += 4) {
      Raw.putFloat(to + at, Raw.getFloat(x + at) * factor);
    }
  }

  @Override
  float max(long x, long n) {
    try {
      return (float) FOLD.invokeExact(max, x, 4 * n);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  @Override
  void add(long x, long n, long to) {
    long whole = 4 * n / VECTOR * VECTOR;
    run(add, x, whole, to, 0, 0);
    for (long at = whole; at < 4 * n; at += 4) {
      Raw.putFloat(to + at, Raw.getFloat(to + at) + Raw.getFloat(x + at));
    }
  }

  @Override
  void expSum(long x, float max, long n, long lanes, float factor) {
    run(expSum, x, 4 * n, lanes, max, factor);
  }

  @Override
  void weights(long x, float max, float factor, long n) {
    run(weights, x, 4 * n, 0, max, factor);
  }

  @Override
  void scoreGradient(long weights, float mean, long n, long to) {
    run(scoreGradient, weights, 4 * n, to, mean, 0);
  }
}
