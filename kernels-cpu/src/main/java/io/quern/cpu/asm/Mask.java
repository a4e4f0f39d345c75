package io.quern.cpu.asm;

/** A mask register, one bit for each element of a vector; number 0 stands for all elements. */
public record Mask(int number) {
  /** All elements. */
  public static final Mask ALL = new Mask(0);

  @Override
  public String toString() {
    return "k" + number;
  }
}
