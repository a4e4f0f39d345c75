package io.quern.cpu.asm;

import org.jspecify.annotations.Nullable;

/**
 * An operand in memory, at {@code base + index * scale + displacement} or at a label.
 *
 * @param scale 1, 2, 4 or 8
 * @param broadcast elements that one element of 32 bits is repeated for, or 0
 */
public record Mem(
    @Nullable Reg base,
    @Nullable Reg index,
    int scale,
    int displacement,
    @Nullable Label label,
    int broadcast)
    implements Operand {
  /** Memory at a register. */
  public static Mem at(Reg base) {
    return at(base, 0);
  }

  /** Memory so many bytes from a register. */
  public static Mem at(Reg base, int displacement) {
    return new Mem(base, null, 1, displacement, null, 0);
  }

  /** Memory at the sum of a register and a multiple of another, which is not RSP. */
  public static Mem at(Reg base, Reg index, int scale) {
    return new Mem(base, index, scale, 0, null, 0);
  }

  /** Memory at a label. */
  public static Mem at(Label label) {
    return new Mem(null, null, 1, 0, label, 0);
  }

  /** Memory so many bytes further. */
  public Mem plus(int bytes) {
    return new Mem(base, index, scale, displacement + bytes, label, broadcast);
  }

  /** The element of 32 bits there, for every element of a vector of so many bits. */
  public Mem repeated(int bits) {
    return new Mem(base, index, scale, displacement, label, bits / 32);
  }

  @Override
  public String toString() {
    StringBuilder text = new StringBuilder("[");
    if (label != null) {
      text.append("rip+").append(label);
    } else {
      text.append(base);
    }
    if (index != null) {
      text.append('+').append(index).append('*').append(scale);
    }
    if (displacement != 0) {
      text.append(displacement > 0 ? "+" : "").append(displacement);
    }
    text.append(']');
    if (broadcast != 0) {
      text.append("{1to").append(broadcast).append('}');
    }
    return text.toString();
  }
}
