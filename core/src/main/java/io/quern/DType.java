package io.quern;

/**
 * Element types of tensors.
 *
 * <p>{@link #F16} is IEEE 754 binary16, {@link #BF16} is the upper half of a binary32, {@link
 * #BOOL} is one byte that holds 0 or 1.
 */
public enum DType {
  F64(8, Kind.FLOAT),
  F32(4, Kind.FLOAT),
  F16(2, Kind.FLOAT),
  BF16(2, Kind.FLOAT),
  I64(8, Kind.INTEGER),
  I32(4, Kind.INTEGER),
  I16(2, Kind.INTEGER),
  I8(1, Kind.INTEGER),
  U64(8, Kind.INTEGER),
  U32(4, Kind.INTEGER),
  U16(2, Kind.INTEGER),
  U8(1, Kind.INTEGER),
  BOOL(1, Kind.BOOL);

  private enum Kind {
    FLOAT,
    INTEGER,
    BOOL
  }

  private final int bytes;
  private final Kind kind;

  DType(int bytes, Kind kind) {
    this.bytes = bytes;
    this.kind = kind;
  }

  /** Size of one element in bytes. */
  public int bytes() {
    return bytes;
  }

  /** Bytes that {@code count} consecutive elements take; throws when that exceeds 2^63 - 1. */
  public long byteSize(long count) {
    return Math.multiplyExact(count, bytes);
  }

  /** Whether this is one of the floating-point types. */
  public boolean isFloat() {
    return kind == Kind.FLOAT;
  }

  /** Whether this is one of the integer types; {@link #BOOL} is not. */
  public boolean isInteger() {
    return kind == Kind.INTEGER;
  }

  /** Whether this is an integer type without negative values. */
  public boolean isUnsigned() {
    return this == U64 || this == U32 || this == U16 || this == U8;
  }

  /** Distance from 1 to the next larger value of a floating-point type. */
  public double epsilon() {
    return switch (this) {
      case F64 -> 0x1p-52;
      case F32 -> 0x1p-23;
      case F16 -> 0x1p-10;
      case BF16 -> 0x1p-7;
      default -> throw new IllegalArgumentException("epsilon: " + this + " is not a float type");
    };
  }

  /**
   * Whether an element can be {@code value}: for floats any number, which may be rounded; for
   * integers a whole number within their range; for BOOL 0 and 1.
   */
  public boolean represents(double value) {
    if (isFloat()) {
      return true;
    }
    int bits = this == BOOL ? 1 : 8 * bytes;
    boolean signed = isInteger() && !isUnsigned();
    double least = signed ? -Math.scalb(1.0, bits - 1) : 0;
    double end = Math.scalb(1.0, signed ? bits - 1 : bits);
    return value == Math.rint(value) && value >= least && value < end;
  }
}
