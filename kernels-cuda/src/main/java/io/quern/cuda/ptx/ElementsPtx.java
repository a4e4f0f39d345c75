package io.quern.cuda.ptx;

import io.quern.DType;
import io.quern.gpu.Chain;
import java.util.ArrayList;
import java.util.List;

/**
 * Writes loads and stores of elements, floats of 32 bits in registers. Those that have 16 bits in
 * memory are moved in words of two, the first one in the low bits.
 */
final class ElementsPtx {
  /** Bytes that a thread loads or stores at once. */
  private static final int PIECE = 16;

  private final PtxWriter out;
  private final boolean roundsPairs;

  /**
   * A writer of loads and stores.
   *
   * @param roundsPairs whether there are the instructions of compute capability 8.0
   */
  ElementsPtx(PtxWriter out, boolean roundsPairs) {
    this.out = out;
    this.roundsPairs = roundsPairs;
  }

  /** Address of an element. */
  String element(String address, String index, DType dtype) {
    String element = out.newLong();
    out.line("mad.wide.u32 %s, %s, %d, %s;", element, index, dtype.bytes(), address);
    return element;
  }

  /** One element. */
  String load(String address, DType dtype) {
    if (!Chain.isNarrow(dtype)) {
      String value = out.newFloat();
      out.line("ld.global.f32 %s, [%s];", value, address);
      return value;
    }
    String word = out.newInt();
    out.line("ld.global.u16 %s, [%s];", word, address);
    return widened(word, dtype).getFirst();
  }

  /** Elements next to each other as they are in memory, for {@link #pair}. */
  List<String> loadRun(String address, int run, DType dtype) {
    boolean narrow = Chain.isNarrow(dtype);
    List<String> words = new ArrayList<>();
    for (int start = 0; start < run * dtype.bytes(); start += PIECE) {
      List<String> piece = new ArrayList<>();
      for (int i = 0; i < PIECE / 4; i++) {
        piece.add(narrow ? out.newInt() : out.newFloat());
      }
      out.line(
          "ld.global.v4.%s {%s}, [%s];",
          narrow ? "b32" : "f32", String.join(", ", piece), place(address, start));
      words.addAll(piece);
    }
    return words;
  }

  private String place(String address, int start) {
    if (start == 0) {
      return address;
    }
    String place = out.newLong();
    out.line("add.s64 %s, %s, %d;", place, address, start);
    return place;
  }

  /** Two elements of a run, with the numbers {@code first} and one more. */
  List<String> pair(List<String> run, int first, DType dtype) {
    return Chain.isNarrow(dtype)
        ? widened(run.get(first / 2), dtype)
        : run.subList(first, first + 2);
  }

  private List<String> widened(String word, DType dtype) {
    if (dtype == DType.BF16) {
      return List.of(
          out.fromBits(out.shiftLeft(word, 16)),
          out.fromBits(out.and(word, out.literal(0xffff0000))));
    }
    String low = out.newShort();
    String high = out.newShort();
    out.line("mov.b32 {%s, %s}, %s;", low, high, word);
    return List.of(out.floating("cvt.f32.f16", low), out.floating("cvt.f32.f16", high));
  }

  /** Stores one element. */
  void store(String address, String value, DType dtype) {
    if (Chain.isNarrow(dtype)) {
      out.line("st.global.u16 [%s], %s;", address, rounded(value, value, dtype));
    } else {
      out.line("st.global.f32 [%s], %s;", address, value);
    }
  }

  /** Two elements as {@link #storeRun} takes them. */
  List<String> stored(String first, String second, DType dtype) {
    return Chain.isNarrow(dtype) ? List.of(rounded(first, second, dtype)) : List.of(first, second);
  }

  /** Stores elements next to each other. */
  void storeRun(String address, List<String> words, DType dtype) {
    for (int i = 0; i < words.size(); i += PIECE / 4) {
      out.line(
          "st.global.v4.%s [%s], {%s};",
          Chain.isNarrow(dtype) ? "b32" : "f32",
          place(address, 4 * i),
          String.join(", ", words.subList(i, i + PIECE / 4)));
    }
  }

  /** A word of two elements. */
  private String rounded(String first, String second, DType dtype) {
    if (roundsPairs) {
      String type = dtype == DType.BF16 ? "bf16x2" : "f16x2";
      return out.integer("cvt.rn." + type + ".f32", second, first);
    }
    return dtype == DType.BF16
        ? out.integer("prmt.b32", upper(first), upper(second), Integer.toString(0x7632))
        : out.integer("prmt.b32", half(first), half(second), Integer.toString(0x5410));
  }

  /** A float's bits, the upper half of which is rounded, to nearest and ties to even. */
  private String upper(String x) {
    String bits = out.bits(x);
    String odd = out.and(out.shiftRightUnsigned(bits, 16), out.literal(1));
    String sum = out.plus(bits, out.plus(odd, out.literal(0x7fff)));
    return out.integer("selp.b32", out.literal(0x7fc00000), sum, out.isNaN(x));
  }

  private String half(String x) {
    String half = out.newShort();
    out.line("cvt.rn.f16.f32 %s, %s;", half, x);
    return out.integer("cvt.u32.u16", half);
  }
}
