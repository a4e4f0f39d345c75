package io.quern.cpu.gemm;

import io.quern.backend.Operands;
import io.quern.cpu.Trial;
import io.quern.cpu.Twins;
import io.quern.runtime.Raw;

/** The loops of {@link CompiledBlockProducts}. This class is the scalar twin. Thread-safe. */
class BlockLoops {
  /** Words whose products are added apart from each other. */
  static final int LANES = BlockLayout.LANES;

  /** Apart from the class itself, whose subclasses are initialised here. */
  private static final class Chosen {
    private static final int OPERANDS = 5;
    private static final int TRIAL = 1024;
    private static final int PLACES = 8;
    private static final int WORDS = TRIAL / PLACES;

    static final Twins<BlockLoops> TWINS =
        Twins.ofKernel(
            "products with block-quantised weights",
            BlockLoops::new,
            () -> new VectorBlockLoops(),
            one -> Trial.run(OPERANDS, TRIAL, operands -> tryOut(one, operands)));

    private static void tryOut(BlockLoops one, Operands o) {
      for (int place = 0; place < PLACES; place++) {
        long to = o.address(1) + 4L * place * WORDS;
        one.unpack(o.address(0), WORDS, 4 * place, 15, o.address(2), to);
      }
      one.addProducts(o.address(1), o.address(2), PLACES, WORDS, o.address(3), o.address(4));
    }
  }

  /** The implementations of this process. */
  static Twins<BlockLoops> twins() {
    return Chosen.TWINS;
  }

  /**
   * Some bits of each word, as floats less what lies at {@code zeros}.
   *
   * @param shift from the bits to the lowest ones
   */
  void unpack(long from, int words, int shift, int mask, long zeros, long to) {
    for (int word = 0; word < words; word++) {
      float number = Raw.getInt(from + 4L * word) >>> shift & mask;
      Raw.putFloat(to + 4L * word, number - Raw.getFloat(zeros + 4L * word));
    }
  }

  /**
   * Adds up products by {@value #LANES} lanes, in the order of {@link BlockProducts}.
   *
   * @param numbers for all words the floats at their first place, then those at the next ones
   * @param row the same of a row of floats
   * @param words a multiple of the lanes
   * @param scales a float for each word
   * @param lanes address of the sums, which are written
   */
  void addProducts(long numbers, long row, int places, int words, long scales, long lanes) {
    long plane = 4L * words;
    for (int lane = 0; lane < LANES; lane++) {
      float sum = 0;
      for (long at = 4L * lane; at < plane; at += 4L * LANES) {
        float ofWord = Raw.getFloat(numbers + at) * Raw.getFloat(row + at);
        for (long next = at + plane; next < places * plane; next += plane) {
          ofWord = Math.fma(Raw.getFloat(numbers + next), Raw.getFloat(row + next), ofWord);
        }
        sum = Math.fma(ofWord, Raw.getFloat(scales + at), sum);
      }
      Raw.putFloat(lanes + 4L * lane, sum);
    }
  }
}
