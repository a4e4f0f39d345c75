package io.quern.reference;

import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.op.Random.Distribution;
import io.quern.runtime.Philox;
import java.util.function.Consumer;

/** Random numbers from Philox blocks. */
final class ReferenceRandom {
  private ReferenceRandom() {}

  static Consumer<Operands> random(KernelKey key, Distribution distribution) {
    Elements keys = Elements.of(key, 0);
    Elements out = Elements.of(key, 1);
    int bits =
        switch (out.dtype()) {
          case F16 -> 11;
          case BF16 -> 8;
          default -> 24;
        };
    return memory -> {
      long seed = keys.getLong(memory.address(0));
      long counter = keys.getLong(memory.address(0) + keys.stride(0));
      int[] words = new int[4];
      int lane = 0;
      Walk walk = new Walk(key.shape(1), out);
      for (boolean more = walk.start(memory.address(1)); more; more = walk.next()) {
        if (lane == 0) {
          Philox.block(seed, counter++, 0, words);
        }
        double value =
            switch (distribution) {
              case UNIFORM -> uniform(words[lane], bits);
              case NORMAL -> normal(words[lane & 2], words[lane | 1], (lane & 1) == 0);
            };
        out.put(walk.address(0), value);
        lane = lane + 1 & 3;
      }
    };
  }

  private static double uniform(int word, int bits) {
    return Math.scalb((double) (word >>> (32 - bits)), -bits);
  }

  /** Box and Muller 1958: two uniform words give two independent normal numbers. */
  private static double normal(int even, int odd, boolean first) {
    double radius = StrictMath.sqrt(-2 * StrictMath.log(((even >>> 8) + 1) * 0x1p-24));
    double angle = 2 * Math.PI * uniform(odd, 24);
    return radius * (first ? StrictMath.cos(angle) : StrictMath.sin(angle));
  }
}
