package io.quern.cpu.asm;

/** A place in the code, or a constant behind it. */
public final class Label {
  private final int number;
  int position = -1;

  Label(int number) {
    this.number = number;
  }

  /** Offset from the first byte of the code, once it is {@linkplain Assembler#finish finished}. */
  public int position() {
    return position;
  }

  @Override
  public String toString() {
    return ".L" + number;
  }
}
