package io.quern.cpu.scan;

import io.quern.runtime.Raw;

/**
 * Orders the floats of a lane. An entry is a long: a key that compares like the float as an
 * unsigned int, above the float's position, so that entries are distinct and equal floats stay in
 * order.
 */
final class FloatOrder {
  /** Up to this many, the first entries are found by insertion. */
  static final int FEW = 64;

  private static final int DIGIT = 256;

  /** Bytes of the table of digits. */
  static final long TABLE = 4 * 4 * DIGIT;

  private FloatOrder() {}

  /** The key of a float: NaN is larger than all, zeros are equal; inverted when descending. */
  private static long entry(float x, long position, int inversion) {
    int bits = Float.floatToRawIntBits(x + 0f);
    int key = Float.isNaN(x) ? -1 : bits ^ ((bits >> 31) | 0x80000000);
    return (long) (key ^ inversion) << 32 | position;
  }

  /** Reads a lane, {@code step} bytes from float to float, into entries. */
  static void read(long from, long step, long n, boolean descending, long to) {
    int inversion = descending ? -1 : 0;
    for (long i = 0; i < n; i++) {
      Raw.putLong(to + 8 * i, entry(Raw.getFloat(from + i * step), i, inversion));
    }
  }

  /**
   * Sorts entries by their keys, least digit first, in passes that keep the order of equals; a
   * digit that all keys share takes no pass.
   *
   * @param other memory for as many entries
   * @param table memory of {@link #TABLE} bytes
   * @return where the sorted entries are, {@code entries} or {@code other}
   */
  static long sort(long entries, long other, long n, long table) {
    Raw.zero(table, TABLE);
    for (long i = 0; i < n; i++) {
      long entry = Raw.getLong(entries + 8 * i);
      for (int digit = 0; digit < 4; digit++) {
        long at = table + 4L * (DIGIT * digit + digit(entry, digit));
        Raw.putInt(at, Raw.getInt(at) + 1);
      }
    }
    long from = entries;
    long to = other;
    for (int digit = 0; digit < 4; digit++) {
      long counts = table + 4L * DIGIT * digit;
      if (Raw.getInt(counts + 4L * digit(Raw.getLong(from), digit)) == n) {
        continue;
      }
      int sum = 0;
      for (int i = 0; i < DIGIT; i++) {
        int count = Raw.getInt(counts + 4L * i);
        Raw.putInt(counts + 4L * i, sum);
        sum += count;
      }
      for (long i = 0; i < n; i++) {
        long entry = Raw.getLong(from + 8 * i);
        long at = counts + 4L * digit(entry, digit);
        int place = Raw.getInt(at);
        Raw.putLong(to + 8L * place, entry);
        Raw.putInt(at, place + 1);
      }
      long swapped = from;
      from = to;
      to = swapped;
    }
    return from;
  }

  private static int digit(long entry, int digit) {
    return (int) (entry >>> (32 + 8 * digit)) & (DIGIT - 1);
  }

  /** Finds the {@code count} least entries of a lane, at most {@link #FEW}, in order. */
  static void least(long from, long step, long n, boolean descending, int count, long to) {
    int inversion = descending ? -1 : 0;
    int found = 0;
    long last = -1; // as an unsigned number the largest
    for (long i = 0; i < n; i++) {
      long entry = entry(Raw.getFloat(from + i * step), i, inversion);
      if (found == count && Long.compareUnsigned(entry, last) > 0) {
        continue;
      }
      int at = found < count ? found++ : count - 1;
      while (at > 0 && Long.compareUnsigned(Raw.getLong(to + 8L * (at - 1)), entry) > 0) {
        Raw.putLong(to + 8L * at, Raw.getLong(to + 8L * (at - 1)));
        at--;
      }
      Raw.putLong(to + 8L * at, entry);
      last = found == count ? Raw.getLong(to + 8L * (count - 1)) : -1;
    }
  }
}
