package io.quern.conformance;

import io.quern.DType;
import io.quern.Shape;
import io.quern.op.TensorSpec;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.math.BigDecimal;
import java.math.BigInteger;

/**
 * A tensor as plain Java: row-major values that are exact in {@code spec}'s dtype. I64 values are
 * limited to what a double holds.
 */
public final class HostArray {
  private final TensorSpec spec;
  private final double[] values;

  /** An array of these values, which are not copied. */
  public HostArray(TensorSpec spec, double[] values) {
    this.spec = spec;
    this.values = values;
  }

  /** The values rounded to {@code spec}'s dtype. */
  public static HostArray rounded(TensorSpec spec, double[] values) {
    double[] rounded = new double[values.length];
    for (int i = 0; i < values.length; i++) {
      rounded[i] = round(spec.dtype(), values[i]);
    }
    return new HostArray(spec, rounded);
  }

  /** A literal of the given shape. */
  public static HostArray of(DType dtype, Shape shape, double... values) {
    if (values.length != shape.size()) {
      throw new IllegalArgumentException(shape + " is not the shape of " + values.length);
    }
    return new HostArray(new TensorSpec(dtype, shape), values);
  }

  public TensorSpec spec() {
    return spec;
  }

  /** The values themselves, not a copy. */
  public double[] values() {
    return values;
  }

  public DType dtype() {
    return spec.dtype();
  }

  public Shape shape() {
    return spec.shape();
  }

  /** The same values as F64 when they are floats; other types stay as they are. */
  public HostArray inDouble() {
    return dtype().isFloat() ? new HostArray(spec.with(DType.F64), values) : this;
  }

  /** The absolute values. */
  public HostArray absolute() {
    double[] absolute = new double[values.length];
    for (int i = 0; i < values.length; i++) {
      absolute[i] = Math.abs(values[i]);
    }
    return new HostArray(spec, absolute);
  }

  /** The bytes of a contiguous tensor with these values. */
  public MemorySegment toBytes() {
    MemorySegment bytes = Arena.ofAuto().allocate(Math.max(1, spec.byteSize()), 8);
    for (int i = 0; i < values.length; i++) {
      write(dtype(), bytes, i, values[i]);
    }
    return bytes.asSlice(0, spec.byteSize());
  }

  /** The values of a contiguous tensor with these bytes. */
  public static HostArray fromBytes(TensorSpec spec, MemorySegment bytes) {
    double[] values = new double[Math.toIntExact(spec.shape().size())];
    for (int i = 0; i < values.length; i++) {
      values[i] = read(spec.dtype(), bytes, i);
    }
    return new HostArray(spec, values);
  }

  /** {@code value} as it comes back from an element of {@code dtype}. */
  public static double round(DType dtype, double value) {
    if (dtype == DType.F64) {
      return value;
    }
    if (dtype == DType.F32) {
      return (float) value;
    }
    MemorySegment element = MemorySegment.ofArray(new long[1]);
    write(dtype, element, 0, value);
    return read(dtype, element, 0);
  }

  private static double read(DType dtype, MemorySegment bytes, long i) {
    return switch (dtype) {
      case F64 -> bytes.get(ValueLayout.JAVA_DOUBLE_UNALIGNED, 8 * i);
      case F32 -> bytes.get(ValueLayout.JAVA_FLOAT_UNALIGNED, 4 * i);
      case F16 -> Float.float16ToFloat(bytes.get(ValueLayout.JAVA_SHORT_UNALIGNED, 2 * i));
      case BF16 -> Float.intBitsToFloat(bytes.get(ValueLayout.JAVA_SHORT_UNALIGNED, 2 * i) << 16);
      case I64 -> bytes.get(ValueLayout.JAVA_LONG_UNALIGNED, 8 * i);
      case U64 ->
          new BigInteger(Long.toUnsignedString(bytes.get(ValueLayout.JAVA_LONG_UNALIGNED, 8 * i)))
              .doubleValue();
      case I32 -> bytes.get(ValueLayout.JAVA_INT_UNALIGNED, 4 * i);
      case U32 -> bytes.get(ValueLayout.JAVA_INT_UNALIGNED, 4 * i) & 0xFFFF_FFFFL;
      case I16 -> bytes.get(ValueLayout.JAVA_SHORT_UNALIGNED, 2 * i);
      case U16 -> bytes.get(ValueLayout.JAVA_SHORT_UNALIGNED, 2 * i) & 0xFFFF;
      case I8 -> bytes.get(ValueLayout.JAVA_BYTE, i);
      case U8, BOOL -> bytes.get(ValueLayout.JAVA_BYTE, i) & 0xFF;
    };
  }

  private static void write(DType dtype, MemorySegment bytes, long i, double value) {
    switch (dtype) {
      case F64 -> bytes.set(ValueLayout.JAVA_DOUBLE_UNALIGNED, 8 * i, value);
      case F32 -> bytes.set(ValueLayout.JAVA_FLOAT_UNALIGNED, 4 * i, (float) value);
      case F16 -> bytes.set(ValueLayout.JAVA_SHORT_UNALIGNED, 2 * i, narrow(value, 11, -24));
      case BF16 -> bytes.set(ValueLayout.JAVA_SHORT_UNALIGNED, 2 * i, narrow(value, 8, -133));
      case I64 -> bytes.set(ValueLayout.JAVA_LONG_UNALIGNED, 8 * i, (long) value);
      case I32 -> bytes.set(ValueLayout.JAVA_INT_UNALIGNED, 4 * i, (int) value);
      case U64 -> bytes.set(ValueLayout.JAVA_LONG_UNALIGNED, 8 * i, unsigned(value));
      case U32 ->
          bytes.set(
              ValueLayout.JAVA_INT_UNALIGNED,
              4 * i,
              (int) Math.clamp((long) value, 0, 0xFFFF_FFFFL));
      case I16 ->
          bytes.set(
              ValueLayout.JAVA_SHORT_UNALIGNED,
              2 * i,
              (short) Math.clamp((long) value, -32768, 32767));
      case U16 ->
          bytes.set(
              ValueLayout.JAVA_SHORT_UNALIGNED, 2 * i, (short) Math.clamp((long) value, 0, 65535));
      case I8 -> bytes.set(ValueLayout.JAVA_BYTE, i, (byte) Math.clamp((long) value, -128, 127));
      case U8 -> bytes.set(ValueLayout.JAVA_BYTE, i, (byte) Math.clamp((long) value, 0, 255));
      case BOOL -> bytes.set(ValueLayout.JAVA_BYTE, i, (byte) (value != 0 ? 1 : 0));
    }
  }

  private static long unsigned(double value) {
    if (!(value > 0)) {
      return 0;
    }
    return value >= 0x1p64 ? -1 : new BigDecimal(value).toBigInteger().longValue();
  }

  /**
   * Bits of a 16-bit float with {@code precision} significant bits and {@code 2^least} as its
   * smallest subnormal: rounds to a multiple of the unit in the last place, halves to even.
   */
  private static short narrow(double value, int precision, int least) {
    boolean half = precision == 11;
    float exact = (float) value;
    if (Double.isFinite(value) && value != 0) {
      int unit = Math.max(Math.getExponent(value) - precision + 1, least);
      // Scaling by a power of two is exact, so rint is the only rounding.
      exact = (float) Math.scalb(Math.rint(Math.scalb(value, -unit)), unit);
    }
    return half
        ? Float.floatToFloat16(exact)
        : (short) (Float.floatToRawIntBits(exact) >>> 16 | (Double.isNaN(value) ? 0x40 : 0));
  }
}
