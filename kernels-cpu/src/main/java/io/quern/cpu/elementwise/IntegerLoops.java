package io.quern.cpu.elementwise;

import io.quern.op.Binary;
import io.quern.op.Compare;
import io.quern.runtime.Raw;
import java.util.function.LongBinaryOperator;
import org.jspecify.annotations.Nullable;

/** Loops over I64: indices and masks, a few elements beside the floats of a model. */
final class IntegerLoops {
  private IntegerLoops() {}

  /** The loop of a function of two elements, or null when there is none. */
  static @Nullable Loop binary(Binary.Fn fn) {
    return switch (fn) {
      case ADD -> loop((x, y) -> x + y);
      case SUB -> loop((x, y) -> x - y);
      case MUL -> loop((x, y) -> x * y);
      case MIN -> loop(Math::min);
      case MAX -> loop(Math::max);
      case DIV, POW, GATE -> null;
    };
  }

  private static Loop loop(LongBinaryOperator function) {
    return (a, b, c, out, n) -> {
      for (long i = 0; i < 8 * n; i += 8) {
        Raw.putLong(out + i, function.applyAsLong(Raw.getLong(a + i), Raw.getLong(b + i)));
      }
    };
  }

  /** The loop of a comparison. */
  static Loop compare(Compare.Fn fn) {
    return switch (fn) {
      case EQ -> comparison(0, true);
      case NE -> comparison(0, false);
      case LT -> comparison(-1, true);
      case GE -> comparison(-1, false);
      case GT -> comparison(1, true);
      case LE -> comparison(1, false);
    };
  }

  /** Whether comparing gives this sign, or does not. */
  private static Loop comparison(int sign, boolean gives) {
    return (a, b, c, out, n) -> {
      for (long i = 0; i < n; i++) {
        int found = Integer.signum(Long.compare(Raw.getLong(a + 8 * i), Raw.getLong(b + 8 * i)));
        boolean is = (found == sign) == gives;
        Raw.putByte(out + i, (byte) (is ? 1 : 0));
      }
    };
  }

  static void where(long condition, long x, long y, long out, long n) {
    for (long i = 0; i < n; i++) {
      long from = Raw.getByte(condition + i) != 0 ? x : y;
      Raw.putLong(out + 8 * i, Raw.getLong(from + 8 * i));
    }
  }
}
