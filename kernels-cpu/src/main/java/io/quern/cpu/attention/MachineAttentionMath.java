package io.quern.cpu.attention;

import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.Assembler;
import io.quern.cpu.asm.MachineFunction;
import io.quern.runtime.Raw;
import java.util.function.Function;

/** The loops as machine code, for processes that have it. */
final class MachineAttentionMath extends AttentionMath {

  private static final int VECTOR = 64;

  private final MachineFunction scale = place("scale", AttentionCode::scale);
  private final MachineFunction add = place("add", AttentionCode::add);
  private final MachineFunction scoreGradient =
      place("score_gradient", AttentionCode::scoreGradient);
  private final MachineFunction max = place("max", AttentionCode::max);
  private final MachineFunction expSum = place("exp_sum", AttentionCode::expSum);
  private final MachineFunction weights = place("weights", AttentionCode::weights);
  private final MachineFunction toWeights = place("to_weights", AttentionCode::toWeights);
  private final MachineFunction divide = place("divide", AttentionCode::divide);

  private static MachineFunction place(String name, Function<AttentionCode, Assembler> code) {
    return MachineTier.place("attention_" + name, code.apply(new AttentionCode()));
  }

  private static void run(
      MachineFunction code, long x, long bytes, long other, float f0, float f1) {
    code.call(x, bytes, other, 0, 0, 0, Float.floatToRawIntBits(f0), Float.floatToRawIntBits(f1));
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
    return Float.intBitsToFloat((int) max.call(x, 4 * n));
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

  /** The first elements of a vector as a mask. */
  private static long first(long elements) {
    return (1L << elements) - 1;
  }

  @Override
  void toWeights(
      long scores,
      long rows,
      long keys,
      long mask,
      long maskRow,
      long maxima,
      long sums,
      long result,
      long resultRow) {
    long bytes = AttentionShape.roundUp(4 * keys, VECTOR);
    long rest = first(keys - (bytes - VECTOR) / 4);
    long blocks = bytes / (4 * LANES) * (4 * LANES);
    long next = mask == 0 ? 0 : maskRow;
    toWeights.call(scores, rows, bytes, mask, next, maxima, sums, rest, blocks, result, resultRow);
  }

  @Override
  void divide(long from, long fromRow, long sums, long rows, long n, long to) {
    long whole = 4 * n / VECTOR * VECTOR;
    divide.call(from, rows, whole, sums, fromRow, to, 4 * n, first(n - whole / 4));
  }
}
