package io.quern.cpu.gemm;

import io.quern.cpu.Twins;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Raw;

/**
 * By loops that the JVM compiles: rows, of floats as of weights, lie by the places of weights in
 * their words, first those at the first place of each.
 */
final class CompiledBlockProducts extends BlockProducts {
  private final Twins<BlockLoops> loops = BlockLoops.twins();
  private final int perWord;
  private final int perBlock;
  private final int words;

  /** The words that a row has, without those that fill its last vector. */
  private final int used;

  CompiledBlockProducts(BlockLayout layout) {
    super(layout);
    this.perWord = layout.perWord();
    this.perBlock = layout.blockBytes() / 4;
    this.words = Math.toIntExact(layout.words());
    this.used = Math.toIntExact(layout.rowBytes() / 4);
  }

  @Override
  void spread(long from, int rows, long to) {
    Raw.zero(to, spreadBytes(rows));
    for (int row = 0; row < rows; row++) {
      for (long t = 0; t < layout.k(); t++) {
        long place = t % perWord * words + t / perWord;
        Raw.putFloat(to + spreadBytes(row) + 4 * place, Raw.getFloat(from + 4 * t));
      }
      from += 4 * layout.k();
    }
  }

  @Override
  void run(
      long weights,
      long scales,
      long zeros,
      long spread,
      int rows,
      long count,
      long to,
      long toRow) {
    long plane = 4L * words;
    long bytes = perWord * plane;
    MemoryPool.Block scratch =
        HostMemory.shared().allocate(bytes + 2 * plane + 4L * BlockLayout.LANES);
    long numbers = scratch.address();
    long scalesOfWords = numbers + bytes;
    long zerosOfWords = scalesOfWords + plane;
    long lanes = zerosOfWords + plane;
    Raw.zero(numbers, bytes + plane);
    fill(zerosOfWords, layout.middle());
    for (long i = 0; i < count; i++) {
      spreadBlocks(scales + 4 * i * layout.blocks(), scalesOfWords);
      if (zeros != 0) {
        spreadBlocks(zeros + 4 * i * layout.blocks(), zerosOfWords);
      }
      unpack(weights + i * layout.rowBytes(), zerosOfWords, numbers);
      for (int row = 0; row < rows; row++) {
        loops
            .get()
            .addProducts(numbers, spread + row * bytes, perWord, words, scalesOfWords, lanes);
        Raw.putFloat(to + 4 * i + row * toRow, fold(lanes));
      }
    }
    HostMemory.shared().free(scratch);
  }

  @Override
  boolean warmUp() {
    return loops.await();
  }

  private void fill(long to, float value) {
    for (int word = 0; word < used; word++) {
      Raw.putFloat(to + 4L * word, value);
    }
  }

  /** One number for each block to one for each word. */
  private void spreadBlocks(long from, long to) {
    for (int block = 0; block < used / perBlock; block++) {
      float value = Raw.getFloat(from + 4L * block);
      for (int word = block * perBlock; word < (block + 1) * perBlock; word++) {
        Raw.putFloat(to + 4L * word, value);
      }
    }
  }

  private void unpack(long from, long zeros, long to) {
    int mask = (1 << layout.bits()) - 1;
    for (int place = 0; place < perWord; place++) {
      long plane = to + 4L * place * words;
      loops.get().unpack(from, used, place * layout.bits(), mask, zeros, plane);
    }
  }

  private static float fold(long lanes) {
    for (long half = 4L * BlockLayout.LANES / 2; half >= 4; half /= 2) {
      for (long at = lanes; at < lanes + half; at += 4) {
        Raw.putFloat(at, Raw.getFloat(at) + Raw.getFloat(at + half));
      }
    }
    return Raw.getFloat(lanes);
  }
}
