package io.quern.reference;

import io.quern.DType;
import io.quern.Shape;
import io.quern.backend.KernelKey;
import io.quern.op.Layout;
import io.quern.runtime.Raw;
import io.quern.runtime.Rounding;

/** Reads and writes elements of one operand of a kernel, whatever its type and layout. */
final class Elements {
  private final DType dtype;
  private final long[] strides;

  /** Elements of {@code dtype}; {@code strides} in bytes. */
  Elements(DType dtype, long... strides) {
    this.dtype = dtype;
    this.strides = strides;
  }

  /** The elements of an operand. */
  static Elements of(KernelKey key, int operand) {
    return of(key.dtype(operand), key.layout(operand));
  }

  /** The elements of an operand, broadcast to {@code shape}. */
  static Elements broadcast(KernelKey key, int operand, Shape shape) {
    return of(key.dtype(operand), key.layout(operand).expand(shape));
  }

  private static Elements of(DType dtype, Layout layout) {
    long[] strides = new long[layout.rank()];
    for (int d = 0; d < strides.length; d++) {
      strides[d] = layout.stride(d) * dtype.bytes();
    }
    return new Elements(dtype, strides);
  }

  DType dtype() {
    return dtype;
  }

  int rank() {
    return strides.length;
  }

  /** Bytes between neighbours along {@code axis}. */
  long stride(int axis) {
    return strides[axis];
  }

  /** These elements, standing still along {@code axis}. */
  Elements still(int axis) {
    long[] changed = strides.clone();
    changed[axis] = 0;
    return new Elements(dtype, changed);
  }

  /** Copies an element of the same type without looking at it. */
  void copy(long from, long to) {
    switch (dtype.bytes()) {
      case 8 -> Raw.putLong(to, Raw.getLong(from));
      case 4 -> Raw.putInt(to, Raw.getInt(from));
      case 2 -> Raw.putShort(to, Raw.getShort(from));
      default -> Raw.putByte(to, Raw.getByte(from));
    }
  }

  /** The element at {@code address}, which is exact for all types but I64 and U64. */
  double getDouble(long address) {
    return switch (dtype) {
      case F64 -> Raw.getDouble(address);
      case F32 -> Raw.getFloat(address);
      case F16 -> Float.float16ToFloat(Raw.getShort(address));
      case BF16 -> Float.intBitsToFloat(Raw.getShort(address) << 16);
      case U64 -> Rounding.unsigned(Raw.getLong(address));
      case I64, I32, I16, I8, U32, U16, U8, BOOL -> getLong(address);
    };
  }

  /** The element at {@code address}, of a type that is not a float; U64 modulo 2^64. */
  long getLong(long address) {
    return switch (dtype) {
      case I64, U64 -> Raw.getLong(address);
      case I32 -> Raw.getInt(address);
      case U32 -> Integer.toUnsignedLong(Raw.getInt(address));
      case I16 -> Raw.getShort(address);
      case U16 -> Short.toUnsignedLong(Raw.getShort(address));
      case I8 -> Raw.getByte(address);
      case U8, BOOL -> Raw.getByte(address) & 0xFF;
      case F64, F32, F16, BF16 -> throw new IllegalArgumentException(dtype + " is not an integer");
    };
  }

  /** Compares two integers that were read from elements of this type. */
  int compare(long left, long right) {
    return dtype == DType.U64 ? Long.compareUnsigned(left, right) : Long.compare(left, right);
  }

  /** Writes {@code value}: rounded once for floats, cut off and saturated for integers. */
  void put(long address, double value) {
    switch (dtype) {
      case F64 -> Raw.putDouble(address, value);
      case F32 -> Raw.putFloat(address, (float) value);
      case F16 -> Raw.putShort(address, Rounding.toF16(value));
      case BF16 -> Raw.putShort(address, Rounding.toBF16(value));
      case I64 -> Raw.putLong(address, (long) value);
      case U64 -> Raw.putLong(address, Rounding.toUnsigned(value));
      case I32 -> Raw.putInt(address, (int) value);
      case U32 -> Raw.putInt(address, (int) Math.clamp((long) value, 0, 0xFFFF_FFFFL));
      case I16 -> Raw.putShort(address, (short) Math.clamp((long) value, -32768, 32767));
      case U16 -> Raw.putShort(address, (short) Math.clamp((long) value, 0, 65535));
      case I8 -> Raw.putByte(address, (byte) Math.clamp((long) value, -128, 127));
      case U8 -> Raw.putByte(address, (byte) Math.clamp((long) value, 0, 255));
      case BOOL -> Raw.putByte(address, (byte) (value != 0 ? 1 : 0));
    }
  }

  /** Writes {@code value}: rounded once for floats, the low bits for integers. */
  void put(long address, long value) {
    switch (dtype) {
      case F64 -> Raw.putDouble(address, (double) value);
      case F32, F16, BF16 -> put(address, Rounding.toSticky(value));
      case I64, U64 -> Raw.putLong(address, value);
      case I32, U32 -> Raw.putInt(address, (int) value);
      case I16, U16 -> Raw.putShort(address, (short) value);
      case I8, U8 -> Raw.putByte(address, (byte) value);
      case BOOL -> Raw.putByte(address, (byte) (value != 0 ? 1 : 0));
    }
  }
}
