package io.quern.cpu.asm;

import java.util.Locale;

/**
 * Instructions on vectors, as the manual lists them ("Intel 64 and IA-32 Architectures Software
 * Developer's Manual", volume 2).
 */
public enum VectorOp {
  VADDPS(Prefix.NONE, Map.OF, 0x58),
  VSUBPS(Prefix.NONE, Map.OF, 0x5C),
  VMULPS(Prefix.NONE, Map.OF, 0x59),
  VDIVPS(Prefix.NONE, Map.OF, 0x5E),
  VSQRTPS(Prefix.NONE, Map.OF, 0x51),
  VMINPS(Prefix.NONE, Map.OF, 0x5D),
  VMAXPS(Prefix.NONE, Map.OF, 0x5F),
  VXORPS(Prefix.NONE, Map.OF, 0x57),
  /** The smaller or larger one, as the number behind the operands says. */
  VRANGEPS(Prefix.H66, Map.OF3A, 0x50),
  /** Chooses among the quarters of two vectors, two bits of the number behind for each. */
  VSHUFF32X4(Prefix.H66, Map.OF3A, 0x23),
  /** Chooses among the elements of each quarter, two bits of the number behind for each. */
  VSHUFPS(Prefix.NONE, Map.OF, 0xC6),
  /**
   * Elements of {@code to} and, from the second half on, {@code right}, by numbers in {@code left}.
   */
  VPERMT2PS(Prefix.H66, Map.OF38, 0x7F),
  /** Elements of {@code right} by numbers in {@code left}. */
  VPERMPS(Prefix.H66, Map.OF38, 0x16),
  /** Compares as the number behind the operands says; the target is a mask. */
  VCMPPS(Prefix.NONE, Map.OF, 0xC2),
  /** Elements of {@code right} where the mask is set, else of {@code left}. */
  VBLENDMPS(Prefix.H66, Map.OF38, 0x65),
  VMOVUPS(Prefix.NONE, Map.OF, 0x10, 0x11),
  /** Stores a whole line of memory past the caches. */
  VMOVNTPS(Prefix.NONE, Map.OF, -1, 0x2B),
  VBROADCASTSS(Prefix.H66, Map.OF38, 0x18, -1, Tuple.ELEMENT),
  /** {@code to = to * right + left}. */
  VFMADD132PS(Prefix.H66, Map.OF38, 0x98),
  /** {@code to = left * to + right}. */
  VFMADD213PS(Prefix.H66, Map.OF38, 0xA8),
  /** {@code to += left * right}. */
  VFMADD231PS(Prefix.H66, Map.OF38, 0xB8),
  VPADDD(Prefix.H66, Map.OF, 0xFE),
  /** Adds integers of 64 bits. */
  VPADDQ(Prefix.H66, Map.OF, 0xD4, -1, Tuple.LONGS),
  /** Products of 64 bits of the unsigned lower halves. */
  VPMULUDQ(Prefix.H66, Map.OF, 0xF4, -1, Tuple.LONGS),
  VPSUBD(Prefix.H66, Map.OF, 0xFA),
  VPANDD(Prefix.H66, Map.OF, 0xDB),
  VPORD(Prefix.H66, Map.OF, 0xEB),
  VPXORD(Prefix.H66, Map.OF, 0xEF),
  /**
   * A function of the bits of {@code to}, {@code left} and {@code right}: the number behind has its
   * value for each three of them, that of {@code to} counting 4.
   */
  VPTERNLOGD(Prefix.H66, Map.OF3A, 0x25),
  /**
   * Products of unsigned bytes of {@code left} and signed ones of {@code right}, added by fours.
   */
  VPDPBUSD(Prefix.H66, Map.OF38, 0x50),
  /** Products of BF16 of {@code left} and {@code right}, added in pairs. */
  VDPBF16PS(Prefix.HF3, Map.OF38, 0x52),
  VCVTDQ2PS(Prefix.NONE, Map.OF, 0x5B),
  /** Rounds floats to half as many bits, to the nearest; the target has half as many bits, too. */
  VCVTNEPS2BF16(Prefix.HF3, Map.OF38, 0x72),
  /** Towards zero; what does not fit is the least integer. */
  VCVTTPS2DQ(Prefix.HF3, Map.OF, 0x5B),
  /** To the nearest integer, halves to the even one. */
  VCVTPS2DQ(Prefix.H66, Map.OF, 0x5B),
  /** Loads unsigned bytes as integers of 32 bits. */
  VPMOVZXBD(Prefix.H66, Map.OF38, 0x31, -1, Tuple.QUARTER),
  /** Loads unsigned integers of 16 bits as integers of 32 bits. */
  VPMOVZXWD(Prefix.H66, Map.OF38, 0x33, -1, Tuple.HALF),
  /** Unsigned bytes. */
  VPMAXUB(Prefix.H66, Map.OF, 0xDE, -1, Tuple.BYTES),
  /** Signed bytes. */
  VPMAXSB(Prefix.H66, Map.OF38, 0x3C, -1, Tuple.BYTES),
  VMOVDQU8(Prefix.HF2, Map.OF, 0x6F, 0x7F, Tuple.BYTES),
  /** Stores the low bytes of integers of 16 bits. */
  VPMOVWB(Prefix.HF3, Map.OF38, -1, 0x30, Tuple.HALF),
  /** Stores the low bytes of integers of 32 bits. */
  VPMOVDB(Prefix.HF3, Map.OF38, -1, 0x31, Tuple.QUARTER),
  /** Stores the low halves of integers of 32 bits. */
  VPMOVDW(Prefix.HF3, Map.OF38, -1, 0x33, Tuple.HALF),
  /** Stores unsigned integers of 32 bits as bytes, saturated. */
  VPMOVUSDB(Prefix.HF3, Map.OF38, -1, 0x11, Tuple.QUARTER);

  /** The prefix that is part of the opcode. */
  enum Prefix {
    NONE(0),
    H66(1),
    HF3(2),
    HF2(3);

    final int code;

    Prefix(int code) {
      this.code = code;
    }
  }

  /** Which table of opcodes. */
  enum Map {
    OF(1),
    OF38(2),
    OF3A(3);

    final int code;

    Map(int code) {
      this.code = code;
    }
  }

  /** How much memory an operand takes, which small displacements are multiples of. */
  enum Tuple {
    VECTOR,
    /** A vector whose elements are bytes: none of them is repeated. */
    BYTES,
    /** The same with elements of 64 bits, for which a bit of the prefix is set. */
    LONGS,
    HALF,
    QUARTER,
    ELEMENT
  }

  final Prefix prefix;
  final Map map;

  /** Opcode, and that with the memory as the target, or -1. */
  final int opcode;

  final int storing;
  final Tuple tuple;

  VectorOp(Prefix prefix, Map map, int opcode) {
    this(prefix, map, opcode, -1);
  }

  VectorOp(Prefix prefix, Map map, int opcode, int storing) {
    this(prefix, map, opcode, storing, Tuple.VECTOR);
  }

  VectorOp(Prefix prefix, Map map, int opcode, int storing, Tuple tuple) {
    this.prefix = prefix;
    this.map = map;
    this.opcode = opcode;
    this.storing = storing;
    this.tuple = tuple;
  }

  /** Whether it came with AVX-512: AVX has it not, or in an encoding of its own. */
  boolean isAvx512() {
    return switch (this) {
      case VPDPBUSD,
          VDPBF16PS,
          VPMOVUSDB,
          VPMOVDB,
          VPMOVWB,
          VPMOVDW,
          VMOVDQU8,
          VCVTNEPS2BF16,
          VRANGEPS,
          VSHUFF32X4,
          VPERMT2PS,
          VCMPPS,
          VBLENDMPS,
          VPANDD,
          VPORD,
          VPXORD,
          VPTERNLOGD ->
          true;
      default -> false;
    };
  }

  /** Bytes that a displacement of 8 bits counts in the encoding of AVX-512. */
  int unit(int bits, Mem memory) {
    if (memory.broadcast() != 0) {
      return 4;
    }
    return switch (tuple) {
      case VECTOR, BYTES, LONGS -> bits / 8;
      case HALF -> bits / 16;
      case QUARTER -> bits / 32;
      case ELEMENT -> 4;
    };
  }

  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
