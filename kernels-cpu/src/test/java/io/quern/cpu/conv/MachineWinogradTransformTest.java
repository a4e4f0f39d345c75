package io.quern.cpu.conv;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.GuardedMemory;
import io.quern.runtime.Raw;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;

/**
 * Machine code has the bits of loops over scalars, as vectors do, and touches nothing else: what is
 * read and written ends, or begins, at pages that crash the process.
 */
@EnabledIf(value = "isUsed", disabledReason = "no machine code of 512 bits on this machine")
class MachineWinogradTransformTest {
  private static final int MOST_GROUPS = 4;
  private static final int MOST_VECTORS = 3;
  private static final int POINTS = 36;
  private static final long VECTOR = 64;
  private static final long MOST_BYTES = POINTS * MOST_GROUPS * MOST_VECTORS * VECTOR;
  private static final WinogradTransform SCALARS = new WinogradTransform();

  private enum Method {
    INPUT(6, 6),
    OUTPUT(6, 4),
    GRADIENT(4, 6),
    WEIGHTS(9, 36),
    WEIGHT_GRAD(6, 3);

    final int inputs;
    final int outputs;

    Method(int inputs, int outputs) {
      this.inputs = inputs;
      this.outputs = outputs;
    }
  }

  private static final List<Float> LEAST = List.of(Float.NEGATIVE_INFINITY, 0f, 1.5f);
  private static final List<Method> ALL = List.of(Method.values());

  private final SplittableRandom random = new SplittableRandom(1);
  private final WinogradTransform code = isUsed() ? new MachineWinogradTransform() : SCALARS;
  private final WinogradTransform vectors = new VectorWinogradTransform();
  private final GuardedMemory from = new GuardedMemory(MOST_BYTES);
  private final GuardedMemory bias = new GuardedMemory(MOST_VECTORS * VECTOR);
  private final GuardedMemory[] to = {new GuardedMemory(MOST_BYTES), new GuardedMemory(MOST_BYTES)};

  static boolean isUsed() {
    return MachineTier.has512Bits();
  }

  @Test
  void transformsHaveTheBitsOfScalars() {
    check(5_000);
  }

  @Test
  @Tag("soak")
  void manyTransforms() {
    check(500_000);
  }

  private void check(int times) {
    for (int i = 0; i < times; i++) {
      Method method = ALL.get(random.nextInt(ALL.size()));
      int count = method == Method.WEIGHT_GRAD ? 1 : random.nextInt(1, MOST_GROUPS + 1);
      long bytes = VECTOR * random.nextInt(1, MOST_VECTORS + 1);
      // Groups lie one after another and points within them, or the other way round.
      boolean groupsFirst = random.nextBoolean();
      long x = place(from, bytes * method.inputs * count, true);
      long y = place(bias, bytes, true);
      float least = LEAST.get(random.nextInt(LEAST.size()));
      long size = bytes * method.outputs * count;
      long found = place(to[0], size, false);
      long wanted = place(to[1], size, false);
      WinogradTransform one = i % 16 == 0 ? vectors : code;
      run(one, method, groupsFirst, count, bytes, x, y, least, found);
      run(SCALARS, method, groupsFirst, count, bytes, x, y, least, wanted);
      for (long at = 0; at < size; at += 4) {
        if (Raw.getInt(found + at) != Raw.getInt(wanted + at)) {
          assertThat(Raw.getFloat(found + at))
              .as("element %d of %s of %d groups of %d bytes", at / 4, method, count, bytes)
              .isEqualTo(Raw.getFloat(wanted + at));
        }
      }
    }
  }

  private long place(GuardedMemory memory, long bytes, boolean filled) {
    long address = memory.place(bytes, random.nextBoolean());
    for (long at = 0; at < bytes; at += 4) {
      Raw.putFloat(address + at, filled ? (float) random.nextDouble(-9, 9) : Float.NaN);
    }
    return address;
  }

  private static void run(
      WinogradTransform one,
      Method method,
      boolean groupsFirst,
      int count,
      long bytes,
      long x,
      long bias,
      float least,
      long y) {
    long in = groupsFirst ? bytes : count * bytes;
    long next = groupsFirst ? bytes * method.inputs : bytes;
    long out = groupsFirst ? bytes : count * bytes;
    long toNext = groupsFirst ? bytes * method.outputs : bytes;
    switch (method) {
      case INPUT ->
          one.input(
              x,
              x + in,
              x + 2 * in,
              x + 3 * in,
              x + 4 * in,
              x + 5 * in,
              next,
              y,
              out,
              toNext,
              count,
              bytes);
      case OUTPUT ->
          one.output(
              x, in, next, bias, y, y + out, y + 2 * out, y + 3 * out, toNext, count, bytes, least);
      case GRADIENT ->
          one.gradient(x, x + in, x + 2 * in, x + 3 * in, next, y, out, toNext, count, bytes);
      case WEIGHTS -> {
        boolean isTurned = count % 2 == 0;
        long first = isTurned ? x + 8 * in : x;
        one.weights(first, isTurned ? -in : in, next, y, out, toNext, count, bytes);
      }
      case WEIGHT_GRAD -> one.weightGrad(x, in, y, out, bytes);
    }
  }
}
