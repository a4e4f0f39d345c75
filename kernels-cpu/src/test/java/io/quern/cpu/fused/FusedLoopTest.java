package io.quern.cpu.fused;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.quern.cpu.VectorTier;
import io.quern.op.Binary;
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
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Generated loops have the bits of the functions one by one, for random programs. */
@Tag("conformance")
class FusedLoopTest {
  private static final int ROOM = 700;
  private static final int[] SIZES = {0, 1, 3, 15, 16, 17, 64, 100, 255, 256, 257, 600};

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
  void generatedLoopHasTheBitsOfTheTiledOne(long seed) {
    assumeTrue(VectorTier.chosen().usesApi(), "loops are generated for vectors only");
    SplittableRandom random = new SplittableRandom(seed);
    ScalarProgram program = program(random);
    boolean[] uniform = new boolean[program.inputs()];
    for (int i = 0; i < uniform.length; i++) {
      uniform[i] = random.nextInt(3) == 0;
    }
    FusedLoop tiled = new TiledLoop(program, uniform);
    FusedLoop generated = GeneratedLoop.of(program, uniform);
    for (int size : SIZES) {
      assertThat(run(generated, program, size))
          .as("%d elements of %s", size, program)
          .isEqualTo(run(tiled, program, size));
    }
  }

  /** A program of up to 4 inputs and 19 steps. */
  static ScalarProgram program(SplittableRandom random) {
    int inputs = random.nextInt(1, 5);
    List<ScalarProgram.Step> steps = new ArrayList<>();
    int count = random.nextInt(1, 20);
    for (int i = 0; i < count; i++) {
      int x = random.nextInt(inputs + i);
      int y = random.nextInt(inputs + i);
      Binary.Fn[] binary = Binary.Fn.values();
      Unary.Fn[] unary = Unary.Fn.values();
      Binary.Fn fn = binary[random.nextInt(binary.length)];
      steps.add(
          switch (random.nextInt(5)) {
            case 0 -> new Literal(random.nextDouble(-2, 2));
            case 1, 2 -> new Apply1(unary[random.nextInt(unary.length)], x);
            default -> new Apply2(fn == Binary.Fn.POW ? Binary.Fn.MUL : fn, x, y);
          });
    }
    return new ScalarProgram(inputs, steps);
  }

  /** Bits of the output and of what lies behind it; all NaN are alike. */
  private static int[] run(FusedLoop loop, ScalarProgram program, int n) {
    int operands = program.inputs() + 1;
    MemoryPool.Block block = HostMemory.shared().allocate(4L * ROOM * operands + 8L * operands);
    try {
      SplittableRandom random = new SplittableRandom(n);
      for (long i = 0; i < (long) ROOM * operands; i++) {
        boolean special = random.nextInt(16) == 0;
        float any = Float.intBitsToFloat(random.nextInt());
        Raw.putFloat(block.address() + 4 * i, special ? any : (float) random.nextDouble(-3, 3));
      }
      long table = block.address() + 4L * ROOM * operands;
      for (int i = 0; i < operands; i++) {
        Raw.putLong(table + 8L * i, block.address() + 4L * ROOM * i);
      }
      loop.run(table, n);
      int[] bits = new int[ROOM];
      for (int i = 0; i < ROOM; i++) {
        long at = block.address() + 4L * ROOM * program.inputs() + 4L * i;
        bits[i] = Float.floatToIntBits(Raw.getFloat(at));
      }
      return bits;
    } finally {
      HostMemory.shared().free(block);
    }
  }
}
