package io.quern.cpu;

import io.quern.backend.Buffer;
import io.quern.backend.HostBuffer;
import io.quern.backend.Operands;
import io.quern.runtime.Raw;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.function.Consumer;

/** Small work for {@link Twins}. */
public final class Trial {
  private Trial() {}

  /**
   * Runs {@code work} on {@code count} operands of {@code floats} floats each, which have the same
   * values each time, from -4 to 4, and gives a hash of all operands' bits then. All NaN are alike.
   */
  public static long run(int count, int floats, Consumer<Operands> work) {
    HostBuffer buffer = HostBuffer.allocate(4L * floats * count);
    try {
      Buffer[] buffers = new Buffer[count];
      long[] offsets = new long[count];
      Arrays.fill(buffers, buffer);
      for (int i = 0; i < count; i++) {
        offsets[i] = 4L * floats * i;
      }
      fill(buffer.address(), count * floats);
      work.accept(new Operands(buffers, offsets));
      return hash(buffer.address(), count * floats);
    } finally {
      buffer.release();
    }
  }

  private static void fill(long to, int count) {
    SplittableRandom random = new SplittableRandom(1);
    for (int i = 0; i < count; i++) {
      Raw.putFloat(to + 4L * i, (float) random.nextDouble(-4, 4));
    }
  }

  private static long hash(long from, int count) {
    long hash = 1;
    for (int i = 0; i < count; i++) {
      hash = 31 * hash + Float.floatToIntBits(Raw.getFloat(from + 4L * i));
    }
    return hash;
  }
}
