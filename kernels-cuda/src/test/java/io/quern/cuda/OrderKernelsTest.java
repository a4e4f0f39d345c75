package io.quern.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.Device;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.op.Op;
import io.quern.op.Sort;
import io.quern.op.TopK;
import java.util.SplittableRandom;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Orders of lanes of all lengths are those of the reference, bit by bit. */
@EnabledIf(
    value = "io.quern.cuda.StandIn#isReady",
    disabledReason = "there is no GPU, and no g++ on x86-64 to build a stand-in")
class OrderKernelsTest {
  private static final boolean[] BOTH = {false, true};

  /** What is hard for a selection. */
  enum Data {
    RANDOM,
    TIES,
    EQUAL,
    ASCENDING,
    DESCENDING,
    SPECIALS;

    private static final float[] SPECIAL = {
      Float.NaN,
      Float.intBitsToFloat(0xffc00001),
      Float.POSITIVE_INFINITY,
      Float.NEGATIVE_INFINITY,
      0f,
      -0f,
      Float.MIN_VALUE,
      -Float.MIN_VALUE,
      Float.MAX_VALUE,
      -Float.MAX_VALUE
    };

    Tensor of(long... dims) {
      Shape shape = Shape.of(dims);
      SplittableRandom random = new SplittableRandom(1);
      float[] values = new float[Math.toIntExact(shape.size())];
      for (int i = 0; i < values.length; i++) {
        values[i] =
            switch (this) {
              case RANDOM -> (float) random.nextGaussian();
              case TIES -> random.nextInt(-3, 4);
              case EQUAL -> 1;
              case ASCENDING -> i;
              case DESCENDING -> -i;
              case SPECIALS -> SPECIAL[random.nextInt(SPECIAL.length)];
            };
      }
      return Tensor.of(values).reshape(dims);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "3, 300, 300",
    "2, 4099, 1",
    "2, 4100, 50",
    "3, 20003, 50",
    "1, 70000, 256",
    "2, 20000, 257",
    "2, 9000, 1024",
    "1, 1024, 1024",
    "1, 5000, 3000"
  })
  void topK(int lanes, int length, int count) {
    for (Data data : Data.values()) {
      for (boolean largest : BOTH) {
        for (boolean sorted : BOTH) {
          check(new TopK(1, count, largest, sorted), data.of(lanes, length), data);
        }
      }
    }
  }

  /** So many lanes that none is taken apart, each of more entries than a block has room for. */
  @ParameterizedTest
  @EnumSource
  void topKOfManyLanes(Data data) {
    for (int count : new int[] {1, 40, 700}) {
      check(new TopK(1, count, true, true), data.of(260, 4500), data);
    }
  }

  @ParameterizedTest
  @EnumSource
  void topKOfColumns(Data data) {
    check(new TopK(1, 9, true, true), data.of(2, 6000, 3), data);
    check(new TopK(1, 9, false, false), data.of(2, 100, 3), data);
    check(new TopK(0, 9, true, true), data.of(100, 7), data);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 31, 128, 129, 256, 500, 512, 1000, 1024, 1025, 4096, 4097})
  void sort(int length) {
    for (Data data : Data.values()) {
      for (boolean descending : BOTH) {
        check(new Sort(1, descending), data.of(5, length), data);
        check(new Sort(0, descending), data.of(length, 3), data);
      }
    }
  }

  private static void check(Op op, Tensor x, Data data) {
    Tensor[] found = Tensor.applyAll(op, x.to(Device.of("cuda")));
    Tensor[] expected = Tensor.applyAll(op, x.to(Device.reference()));
    String of = "%s of %s %s".formatted(op, data, x.shape());
    assertThat(positions(found)).as(of).isEqualTo(positions(expected));
    assertThat(bits(found)).as(of).isEqualTo(bits(expected));
  }

  private static long[] positions(Tensor[] ordered) {
    return ordered[1].to(Device.reference()).reshape(-1).toLongArray();
  }

  private static int[] bits(Tensor[] ordered) {
    float[] values = ordered[0].to(Device.reference()).reshape(-1).toFloatArray();
    int[] bits = new int[values.length];
    for (int i = 0; i < bits.length; i++) {
      bits[i] = Float.floatToRawIntBits(values[i]);
    }
    return bits;
  }
}
