package io.quern.cpu.fused;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.GuardedMemory;
import io.quern.cpu.elementwise.Loops;
import io.quern.cpu.reduce.RunReduce;
import io.quern.op.ScalarProgram;
import io.quern.op.ScalarProgram.Apply1;
import io.quern.op.ScalarProgram.Apply2;
import io.quern.op.ScalarProgram.Literal;
import io.quern.op.Unary;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Raw;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.function.LongConsumer;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Machine code has the bits of the scalar functions, one step after the other, and touches nothing
 * else: operands end, or begin, at pages that crash the process.
 */
@EnabledIf(value = "isUsed", disabledReason = "no machine code of 512 bits on this machine")
class MachineLoopTest {
  private static final int MOST = 180;
  private static final int MOST_OPERANDS = 9;
  private static final float SENTINEL = 12345;

  private final SplittableRandom random = new SplittableRandom(1);
  private final List<GuardedMemory> memories = new ArrayList<>();

  MachineLoopTest() {
    for (int i = 0; i < MOST_OPERANDS; i++) {
      memories.add(new GuardedMemory(4L * Math.max(MOST, 2 * RunReduce.LANES)));
    }
  }

  static boolean isUsed() {
    return MachineTier.has512Bits();
  }

  @Test
  void randomProgramsHaveTheBitsOfScalars() {
    check(150, 40);
  }

  @Test
  @Tag("soak")
  void manyRandomPrograms() {
    check(5_000, 200);
  }

  @ParameterizedTest
  @EnumSource(
      value = Unary.Fn.class,
      mode = EnumSource.Mode.EXCLUDE,
      names = {"SIN", "COS"})
  void functionsHaveTheBitsOfScalars(Unary.Fn fn) {
    ScalarProgram program = new ScalarProgram(1, List.of(new Apply1(fn, 0)));
    MachineLoop loop = loop(program, new boolean[1]).orElseThrow();
    for (int i = 0; i < 600; i++) {
      run(loop, program, new boolean[1]);
    }
  }

  private void check(int programs, int times) {
    int found = 0;
    for (int i = 0; i < programs; i++) {
      ScalarProgram program = FusedLoopTest.program(random);
      boolean[] uniform = new boolean[program.inputs()];
      for (int input = 0; input < uniform.length; input++) {
        uniform[input] = random.nextInt(3) == 0;
      }
      Optional<MachineLoop> loop = loop(program, uniform);
      found += loop.isPresent() ? 1 : 0;
      for (int time = 0; time < times && loop.isPresent(); time++) {
        run(loop.orElseThrow(), program, uniform);
      }
    }
    assertThat(found).isGreaterThan(programs / 4);
  }

  /** Rows may be the same one again, as those of a bias are, and lie apart. */
  @Test
  void rowsHaveTheBitsOfScalars() {
    int found = 0;
    for (int i = 0; i < 1_000; i++) {
      ScalarProgram program = FusedLoopTest.program(random);
      boolean[] uniform = new boolean[program.inputs()];
      uniform[random.nextInt(uniform.length)] = random.nextBoolean();
      Optional<MachineLoop> loop = loop(program, uniform);
      found += loop.isPresent() ? 1 : 0;
      loop.ifPresent(it -> checkRows(it, program, uniform));
    }
    assertThat(found).isGreaterThan(250);
  }

  private void checkRows(MachineLoop loop, ScalarProgram program, boolean[] uniform) {
    int rows = random.nextInt(1, 6);
    int n = random.nextInt(MOST / rows);
    int output = program.inputs();
    long[] table = new long[2 * (output + 1)];
    for (int i = 0; i <= output; i++) {
      int count = i < output && uniform[i] ? 1 : n;
      boolean isOneRow = i < output && random.nextInt(3) == 0;
      long step = isOneRow ? 0 : 4L * (count + random.nextInt(MOST / rows - n + 1));
      long bytes = (rows - 1) * step + 4L * count;
      GuardedMemory memory = i < output ? memories.get(i) : memories.getLast();
      table[i] = memory.place(bytes, random.nextBoolean());
      table[output + 1 + i] = step;
      for (long at = 0; at < bytes; at += 4) {
        Raw.putFloat(table[i] + at, i < output ? value() : SENTINEL);
      }
    }
    call(table, addresses -> loop.rows(addresses, output + 1, n, rows));
    long step = table[2 * output + 1];
    for (int row = 0; row < rows; row++) {
      float[] expected = expected(program, values(table, uniform, row, n), n);
      for (int j = 0; j < step / 4 && (row < rows - 1 || j < n); j++) {
        assertThat(Raw.getFloat(table[output] + row * step + 4L * j))
            .as("element %d of row %d of %d of %s", j, row, n, program)
            .isEqualTo((Float) (j < n ? expected[j] : SENTINEL));
      }
    }
  }

  private static float[][] values(long[] table, boolean[] uniform, int row, int n) {
    float[][] values = new float[uniform.length][n];
    for (int i = 0; i < uniform.length; i++) {
      long first = table[i] + row * table[uniform.length + 1 + i];
      for (int j = 0; j < n; j++) {
        values[i][j] = Raw.getFloat(uniform[i] ? first : first + 4L * j);
      }
    }
    return values;
  }

  /** Element i goes to lane i % 64, of the second set when it lies beyond a multiple of 64. */
  @Test
  void sumsHaveTheBitsOfScalars() {
    int found = 0;
    for (int i = 0; i < 2_000; i++) {
      ScalarProgram program = FusedLoopTest.program(random);
      boolean[] uniform = new boolean[program.inputs()];
      uniform[random.nextInt(uniform.length)] = random.nextBoolean();
      Optional<MachineSum> sum = MachineSum.of(program, uniform);
      found += sum.isPresent() ? 1 : 0;
      sum.ifPresent(it -> checkSum(it, program, uniform));
    }
    assertThat(found).isGreaterThan(500);
  }

  private void checkSum(MachineSum sum, ScalarProgram program, boolean[] uniform) {
    int n = random.nextInt(MOST + 1);
    float[][] values = new float[program.inputs()][];
    long[] operands = operands(uniform, n, values);
    float[] expected = new float[2 * RunReduce.LANES];
    long lanes = memories.getLast().place(4L * expected.length, random.nextBoolean());
    for (int i = 0; i < expected.length; i++) {
      expected[i] = i % 5;
      Raw.putFloat(lanes + 4L * i, expected[i]);
    }
    operands[program.inputs()] = lanes;
    call(operands, table -> sum.run(table, n));
    float[] results = expected(program, values, n);
    for (int i = 0; i < n; i++) {
      boolean isRest = i >= n / RunReduce.LANES * RunReduce.LANES;
      expected[i % RunReduce.LANES + (isRest ? RunReduce.LANES : 0)] += results[i];
    }
    for (int i = 0; i < expected.length; i++) {
      assertThat(Raw.getFloat(lanes + 4L * i))
          .as("lane %d of %d elements of %s", i, n, program)
          .isEqualTo((Float) expected[i]);
    }
  }

  private static Optional<MachineLoop> loop(ScalarProgram program, boolean[] uniform) {
    return MachineLoop.of(program, uniform).map(MachineLoop.class::cast);
  }

  private void run(MachineLoop loop, ScalarProgram program, boolean[] uniform) {
    int n = random.nextInt(MOST + 1);
    float[][] values = new float[program.inputs()][];
    long[] operands = operands(uniform, n, values);
    // What is stored past the caches begins at a multiple of a line.
    boolean streams = random.nextBoolean();
    int gap = streams ? 16 - n % 16 : 1;
    boolean hasGap = n + gap <= MOST;
    long output = memories.getLast().place(4L * (n + (hasGap ? gap : 0)), true);
    for (int i = n; hasGap && i < n + gap; i++) {
      Raw.putFloat(output + 4L * i, SENTINEL);
    }
    operands[program.inputs()] = output;
    if (streams) {
      call(operands, table -> loop.stream(table, n));
    } else {
      call(operands, table -> loop.run(table, n));
    }
    float[] expected = expected(program, values, n);
    for (int i = 0; i < n; i++) {
      int bits = Float.floatToIntBits(Raw.getFloat(output + 4L * i));
      if (bits != Float.floatToIntBits(expected[i])) {
        assertThat(Float.intBitsToFloat(bits))
            .as("element %d of %d of %s", i, n, program)
            .isEqualTo(expected[i]);
      }
    }
    for (int i = n; hasGap && i < n + gap; i++) {
      assertThat(Raw.getFloat(output + 4L * i)).as("behind the output").isEqualTo(SENTINEL);
    }
  }

  /** Places random inputs and copies their values; there is room for the address of an output. */
  private long[] operands(boolean[] uniform, int n, float[][] values) {
    long[] operands = new long[uniform.length + 1];
    for (int i = 0; i < uniform.length; i++) {
      int count = uniform[i] ? 1 : n;
      operands[i] = memories.get(i).place(4L * count, random.nextBoolean());
      values[i] = new float[n];
      for (int j = 0; j < n; j++) {
        values[i][j] = uniform[i] && j > 0 ? values[i][0] : value();
        if (j < count) {
          Raw.putFloat(operands[i] + 4L * j, values[i][j]);
        }
      }
      if (uniform[i] && n == 0) {
        Raw.putFloat(operands[i], 1);
      }
    }
    return operands;
  }

  private static void call(long[] operands, LongConsumer loop) {
    MemoryPool.Block table = HostMemory.shared().allocate(8L * operands.length);
    for (int i = 0; i < operands.length; i++) {
      Raw.putLong(table.address() + 8L * i, operands[i]);
    }
    loop.accept(table.address());
    HostMemory.shared().free(table);
  }

  private float value() {
    return switch (random.nextInt(8)) {
      case 0 -> Float.intBitsToFloat(random.nextInt());
      case 1 -> random.nextBoolean() ? -0f : 0f;
      case 2 -> (float) random.nextDouble(-100, 100);
      default -> (float) random.nextDouble(-3, 3);
    };
  }

  /** Step by step, with loops that have no vectors. */
  private static float[] expected(ScalarProgram program, float[][] inputs, int n) {
    long row = 4L * MOST;
    MemoryPool.Block block = HostMemory.shared().allocate(row * (program.result() + 1));
    long at = block.address();
    for (int i = 0; i < inputs.length; i++) {
      for (int j = 0; j < n; j++) {
        Raw.putFloat(at + row * i + 4L * j, inputs[i][j]);
      }
    }
    for (int i = 0; i < program.steps().size(); i++) {
      long to = at + row * (program.inputs() + i);
      switch (program.steps().get(i)) {
        case Literal(double value) -> {
          for (int j = 0; j < n; j++) {
            Raw.putFloat(to + 4L * j, (float) value);
          }
        }
        case Apply1(var fn, int x) -> Loops.scalar(fn).run(at + row * x, 0, 0, to, n);
        case Apply2(var fn, int x, int y) ->
            Loops.scalar(fn).run(at + row * x, at + row * y, 0, to, n);
      }
    }
    float[] result = new float[n];
    for (int j = 0; j < n; j++) {
      result[j] = Raw.getFloat(at + row * program.result() + 4L * j);
    }
    HostMemory.shared().free(block);
    return result;
  }
}
