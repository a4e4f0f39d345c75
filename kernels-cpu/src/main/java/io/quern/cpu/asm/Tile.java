package io.quern.cpu.asm;

/** A tile register of AMX, up to 16 rows of 64 bytes; there are eight. */
public record Tile(int number) {
  @Override
  public String toString() {
    return "tmm" + number;
  }
}
