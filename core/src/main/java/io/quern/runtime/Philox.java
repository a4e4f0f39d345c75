package io.quern.runtime;

/**
 * Philox4x32-10, a counter-based generator (Salmon et al., "Parallel random numbers: as easy as 1,
 * 2, 3", SC'11): four 32-bit words from a 128-bit counter and a 64-bit key, without any state.
 */
public final class Philox {
  /** Multiplier of the words 0 and 1. */
  public static final int M0 = 0xD2511F53;

  /** Multiplier of the words 2 and 3. */
  public static final int M1 = 0xCD9E8D57;

  /** What is added to the low half of the key after each round. */
  public static final int W0 = 0x9E3779B9;

  /** What is added to the high half of the key after each round. */
  public static final int W1 = 0xBB67AE85;

  /** Number of rounds. */
  public static final int ROUNDS = 10;

  private Philox() {}

  /** Word {@code lane} (0 to 3) of the block with this counter, whose high 64 bits are zero. */
  public static int word(long seed, long counter, int lane) {
    int[] words = new int[4];
    block(seed, counter, 0, words);
    return words[lane];
  }

  /** Puts the four words of the block with this 128-bit counter into {@code words}. */
  public static void block(long seed, long counterLow, long counterHigh, int[] words) {
    int c0 = (int) counterLow;
    int c1 = (int) (counterLow >>> 32);
    int c2 = (int) counterHigh;
    int c3 = (int) (counterHigh >>> 32);
    int k0 = (int) seed;
    int k1 = (int) (seed >>> 32);
    for (int round = 0; round < ROUNDS; round++) {
      long p0 = product(M0, c0);
      long p1 = product(M1, c2);
      c0 = (int) (p1 >>> 32) ^ c1 ^ k0;
      c1 = (int) p1;
      c2 = (int) (p0 >>> 32) ^ c3 ^ k1;
      c3 = (int) p0;
      k0 += W0;
      k1 += W1;
    }
    words[0] = c0;
    words[1] = c1;
    words[2] = c2;
    words[3] = c3;
  }

  private static long product(int left, int right) {
    return Integer.toUnsignedLong(left) * Integer.toUnsignedLong(right);
  }
}
