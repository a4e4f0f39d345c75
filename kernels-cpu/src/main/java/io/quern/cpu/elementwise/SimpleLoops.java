package io.quern.cpu.elementwise;

import io.quern.DType;
import io.quern.cpu.MachineTier;
import io.quern.runtime.Raw;
import org.jspecify.annotations.Nullable;

/** Loops without a vector form of their own: selection and conversions. */
final class SimpleLoops {
  private SimpleLoops() {}

  static void where(long condition, long x, long y, long out, long n) {
    for (long i = 0; i < n; i++) {
      float a = Raw.getFloat(x + 4 * i);
      float b = Raw.getFloat(y + 4 * i);
      Raw.putFloat(out + 4 * i, Raw.getByte(condition + i) != 0 ? a : b);
    }
  }

  /** The loop that converts between two dtypes, or null when there is none. */
  static @Nullable Loop cast(DType from, DType to) {
    if (to == DType.F32) {
      return switch (from) {
        case U8 -> SimpleLoops::u8ToF32;
        case BOOL -> SimpleLoops::u8ToF32;
        case I8 -> SimpleLoops::i8ToF32;
        case I32 -> SimpleLoops::i32ToF32;
        case I64 -> SimpleLoops::i64ToF32;
        case F64 -> SimpleLoops::f64ToF32;
        case F16 -> SimpleLoops::f16ToF32;
        case BF16 -> MachineTier.has512Bits() ? MachineBrainCast.WIDEN : SimpleLoops::bf16ToF32;
        default -> null;
      };
    }
    if (from != DType.F32) {
      return null;
    }
    return switch (to) {
      case F64 -> SimpleLoops::f32ToF64;
      case F16 -> SimpleLoops::f32ToF16;
      case BF16 -> MachineTier.has512Bits() ? MachineBrainCast.ROUND : SimpleLoops::f32ToBf16;
      case I32 -> SimpleLoops::f32ToI32;
      case I8 -> SimpleLoops::f32ToI8;
      case U8 -> MachineTier.has512Bits() ? new MachineF32ToU8() : SimpleLoops::f32ToU8;
      default -> null;
    };
  }

  private static void u8ToF32(long a, long b, long c, long out, long n) {
    for (long i = 0; i < n; i++) {
      Raw.putFloat(out + 4 * i, Raw.getByte(a + i) & 0xFF);
    }
  }

  private static void i8ToF32(long a, long b, long c, long out, long n) {
    for (long i = 0; i < n; i++) {
      Raw.putFloat(out + 4 * i, Raw.getByte(a + i));
    }
  }

  private static void i32ToF32(long a, long b, long c, long out, long n) {
    for (long i = 0; i < n; i++) {
      Raw.putFloat(out + 4 * i, (float) Raw.getInt(a + 4 * i));
    }
  }

  private static void i64ToF32(long a, long b, long c, long out, long n) {
    for (long i = 0; i < n; i++) {
      Raw.putFloat(out + 4 * i, (float) Raw.getLong(a + 8 * i));
    }
  }

  private static void f64ToF32(long a, long b, long c, long out, long n) {
    for (long i = 0; i < n; i++) {
      Raw.putFloat(out + 4 * i, (float) Raw.getDouble(a + 8 * i));
    }
  }

  private static void f32ToF64(long a, long b, long c, long out, long n) {
    for (long i = 0; i < n; i++) {
      Raw.putDouble(out + 8 * i, Raw.getFloat(a + 4 * i));
    }
  }

  private static void f16ToF32(long a, long b, long c, long out, long n) {
    for (long i = 0; i < n; i++) {
      Raw.putFloat(out + 4 * i, Float.float16ToFloat(Raw.getShort(a + 2 * i)));
    }
  }

  private static void f32ToF16(long a, long b, long c, long out, long n) {
    for (long i = 0; i < n; i++) {
      Raw.putShort(out + 2 * i, Float.floatToFloat16(Raw.getFloat(a + 4 * i)));
    }
  }

  private static void bf16ToF32(long a, long b, long c, long out, long n) {
    for (long i = 0; i < n; i++) {
      Raw.putInt(out + 4 * i, Raw.getShort(a + 2 * i) << 16);
    }
  }

  /** To nearest, ties to even; NaN stays NaN. */
  private static void f32ToBf16(long a, long b, long c, long out, long n) {
    for (long i = 0; i < n; i++) {
      int bits = Raw.getInt(a + 4 * i);
      boolean nan = (bits & 0x7FFFFFFF) > 0x7F800000;
      int rounded = nan ? bits | 0x400000 : bits + 0x7FFF + (bits >>> 16 & 1);
      Raw.putShort(out + 2 * i, (short) (rounded >>> 16));
    }
  }

  private static void f32ToI32(long a, long b, long c, long out, long n) {
    for (long i = 0; i < n; i++) {
      Raw.putInt(out + 4 * i, (int) Raw.getFloat(a + 4 * i));
    }
  }

  private static void f32ToI8(long a, long b, long c, long out, long n) {
    for (long i = 0; i < n; i++) {
      int value = (int) Raw.getFloat(a + 4 * i);
      Raw.putByte(out + i, (byte) Math.max(-128, Math.min(127, value)));
    }
  }

  private static void f32ToU8(long a, long b, long c, long out, long n) {
    for (long i = 0; i < n; i++) {
      int value = (int) Raw.getFloat(a + 4 * i);
      Raw.putByte(out + i, (byte) Math.max(0, Math.min(255, value)));
    }
  }
}
