package io.quern.cpu.asm;

/**
 * A vector register.
 *
 * @param number from 0 to 31, to 15 without AVX-512
 * @param bits 128, 256 or 512
 * @param mask which elements are written
 * @param zeroing whether the others become zero instead of staying
 */
public record Vec(int number, int bits, Mask mask, boolean zeroing) implements Operand {
  /** The whole register. */
  public static Vec of(int number, int bits) {
    return new Vec(number, bits, Mask.ALL, false);
  }

  /** Only these elements of it are written. */
  public Vec masked(Mask mask) {
    return new Vec(number, bits, mask, false);
  }

  /** Only these elements of it are written, the others become zero. */
  public Vec zeroed(Mask mask) {
    return new Vec(number, bits, mask, mask.number() != 0);
  }

  /** The same register with another width. */
  public Vec bits(int bits) {
    return new Vec(number, bits, mask, zeroing);
  }

  @Override
  public String toString() {
    String name = (bits == 512 ? "zmm" : bits == 256 ? "ymm" : "xmm") + number;
    if (mask.number() != 0) {
      name += "{" + mask + "}";
    }
    return zeroing ? name + "{z}" : name;
  }
}
