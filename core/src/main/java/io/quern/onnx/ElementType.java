package io.quern.onnx;

import io.quern.DType;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Element types of ONNX tensors. Those that have no {@link DType} of their own are kept in a wider
 * one, with the same values.
 */
public enum ElementType {
  FLOAT(1, DType.F32, 32),
  UINT8(2, DType.U8, 8),
  INT8(3, DType.I8, 8),
  UINT16(4, DType.U16, 16),
  INT16(5, DType.I16, 16),
  INT32(6, DType.I32, 32),
  INT64(7, DType.I64, 64),
  /** Text; has no tensors. */
  STRING(8, null, 0),
  BOOL(9, DType.BOOL, 8),
  FLOAT16(10, DType.F16, 16),
  DOUBLE(11, DType.F64, 64),
  UINT32(12, DType.U32, 32),
  UINT64(13, DType.U64, 64),
  /** Not supported. */
  COMPLEX64(14, null, 64),
  /** Not supported. */
  COMPLEX128(15, null, 128),
  BFLOAT16(16, DType.BF16, 16),
  FLOAT8E4M3FN(17, DType.F32, 8),
  FLOAT8E4M3FNUZ(18, DType.F32, 8),
  FLOAT8E5M2(19, DType.F32, 8),
  FLOAT8E5M2FNUZ(20, DType.F32, 8),
  UINT4(21, DType.U8, 4),
  INT4(22, DType.I8, 4),
  FLOAT4E2M1(23, DType.F32, 4),
  FLOAT8E8M0(24, DType.F32, 8),
  UINT2(25, DType.U8, 2),
  INT2(26, DType.I8, 2),
  FLOAT6E2M3(27, DType.F32, 6),
  FLOAT6E3M2(28, DType.F32, 6);

  private final int code;
  private final @Nullable DType dtype;
  private final int bits;

  ElementType(int code, @Nullable DType dtype, int bits) {
    this.code = code;
    this.dtype = dtype;
    this.bits = bits;
  }

  /** The type's number in files. */
  public int code() {
    return code;
  }

  /** What tensors of this type are kept in, or null when there are none. */
  public @Nullable DType dtype() {
    return dtype;
  }

  /** Size of one element in files. */
  int bits() {
    return bits;
  }

  /** Whether tensors hold the elements as files do. */
  boolean isPlain() {
    return dtype != null && dtype.bytes() * 8 == bits;
  }

  /** Whether this is one of the floats of 8 bits or less. */
  boolean isSmallFloat() {
    return dtype == DType.F32 && this != FLOAT;
  }

  /** The type with this number, or null. */
  static @Nullable ElementType of(long code) {
    for (ElementType type : values()) {
      if (type.code == code) {
        return type;
      }
    }
    return null;
  }

  /** The type that is kept as it is in tensors of {@code dtype}. */
  static ElementType of(DType dtype) {
    for (ElementType type : values()) {
      if (type.dtype == dtype) {
        return type;
      }
    }
    throw new IllegalArgumentException("onnx: no element type for " + dtype);
  }

  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
