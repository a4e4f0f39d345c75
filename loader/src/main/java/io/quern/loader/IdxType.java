package io.quern.loader;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static java.nio.ByteOrder.BIG_ENDIAN;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Optional;
import java.util.stream.Collectors;

/** The element types of IDX files and what they become; elements are big-endian in the file. */
enum IdxType {
  UINT8(0x08, 1, DType.U8),
  INT8(0x09, 1, DType.I8),
  INT16(0x0B, 2, DType.I32),
  INT32(0x0C, 4, DType.I32),
  FLOAT32(0x0D, 4, DType.F32),
  FLOAT64(0x0E, 8, DType.F64);

  /** What files may have, for messages. */
  static final String CODES =
      Arrays.stream(values())
          .map(type -> String.format("0x%02x (%s)", type.code, type))
          .collect(Collectors.joining(", "));

  private final int code;
  private final int bytes;
  private final DType dtype;

  IdxType(int code, int bytes, DType dtype) {
    this.code = code;
    this.bytes = bytes;
    this.dtype = dtype;
  }

  static Optional<IdxType> of(byte code) {
    return Arrays.stream(values()).filter(type -> type.code == code).findFirst();
  }

  /** Size of one element in the file. */
  int bytes() {
    return bytes;
  }

  /** Element type of the tensor. */
  DType dtype() {
    return dtype;
  }

  /** The first {@code count} elements of {@code data} as a vector. */
  Tensor decode(byte[] data, int count) {
    MemorySegment file = MemorySegment.ofArray(data);
    MemorySegment elements =
        switch (bytes) {
          case 1 -> file.asSlice(0, count);
          case 2 -> widenShorts(file, count);
          case 4 -> swap(file, MemorySegment.ofArray(new int[count]), JAVA_INT_UNALIGNED, count);
          default -> swap(file, MemorySegment.ofArray(new long[count]), JAVA_LONG_UNALIGNED, count);
        };
    return Tensor.fromSegment(elements, dtype, Shape.of(count));
  }

  private static MemorySegment swap(
      MemorySegment from, MemorySegment to, ValueLayout layout, int count) {
    MemorySegment.copy(from, layout.withOrder(BIG_ENDIAN), 0, to, layout, 0, count);
    return to;
  }

  private static MemorySegment widenShorts(MemorySegment from, int count) {
    ValueLayout.OfShort layout = JAVA_SHORT_UNALIGNED.withOrder(BIG_ENDIAN);
    int[] ints = new int[count];
    for (int i = 0; i < count; i++) {
      ints[i] = from.get(layout, 2L * i);
    }
    return MemorySegment.ofArray(ints);
  }
}
