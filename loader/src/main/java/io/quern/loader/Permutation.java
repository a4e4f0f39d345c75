package io.quern.loader;

import io.quern.runtime.Philox;

/**
 * A permutation of 0, 1, ..., size - 1 that a seed and an epoch choose, without a table: a Feistel
 * network over the smallest power of two that holds the size, walked until it lands below the size
 * (Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002). Immutable.
 */
final class Permutation {
  private static final int ROUNDS = 8;

  /** Narrower networks reach too few of the permutations. */
  private static final int LEAST_BITS = 8;

  private final long size;
  private final long[] keys = new long[ROUNDS];
  private final int rightBits;
  private final long leftMask;
  private final long rightMask;

  Permutation(long size, long seed, long epoch) {
    this.size = size;
    int bits = Math.max(LEAST_BITS, Long.SIZE - Long.numberOfLeadingZeros(Math.max(0, size - 1)));
    rightBits = bits - bits / 2;
    leftMask = (1L << (bits / 2)) - 1;
    rightMask = (1L << rightBits) - 1;
    int[] words = new int[4];
    for (int round = 0; round < ROUNDS; round += 2) {
      Philox.block(seed, epoch, round, words);
      keys[round] = join(words[0], words[1]);
      keys[round + 1] = join(words[2], words[3]);
    }
  }

  private static long join(int high, int low) {
    return ((long) high << 32) | Integer.toUnsignedLong(low);
  }

  /** Where {@code position}, which is at least 0 and below the size, is sent. */
  long at(long position) {
    if (size == 1) {
      return 0;
    }
    long walk = position;
    do {
      long left = walk >>> rightBits;
      long right = walk & rightMask;
      for (int round = 0; round < ROUNDS; round += 2) {
        left ^= mix(right + keys[round]) & leftMask;
        right ^= mix(left + keys[round + 1]) & rightMask;
      }
      walk = (left << rightBits) | right;
    } while (walk >= size);
    return walk;
  }

  /** The finaliser of MurmurHash3. */
  private static long mix(long bits) {
    bits = (bits ^ (bits >>> 33)) * 0xff51afd7ed558ccdL;
    bits = (bits ^ (bits >>> 33)) * 0xc4ceb9fe1a85ec53L;
    return bits ^ (bits >>> 33);
  }
}
