package io.quern.cpu.conv;

import static io.quern.cpu.asm.Reg.R10;
import static io.quern.cpu.asm.Reg.R11;
import static io.quern.cpu.asm.Reg.R8;
import static io.quern.cpu.asm.Reg.R9;
import static io.quern.cpu.asm.Reg.RAX;
import static io.quern.cpu.asm.Reg.RCX;
import static io.quern.cpu.asm.Reg.RDI;
import static io.quern.cpu.asm.Reg.RDX;
import static io.quern.cpu.asm.Reg.RSI;
import static io.quern.cpu.asm.Reg.RSP;
import static io.quern.cpu.asm.VectorOp.VBROADCASTSS;
import static io.quern.cpu.asm.VectorOp.VMOVUPS;
import static io.quern.cpu.asm.VectorOp.VPMOVZXBD;
import static io.quern.cpu.asm.VectorOp.VPORD;
import static io.quern.cpu.asm.VectorOp.VPXORD;

import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.Assembler;
import io.quern.cpu.asm.Assembler.Condition;
import io.quern.cpu.asm.Label;
import io.quern.cpu.asm.MachineFunction;
import io.quern.cpu.asm.Mask;
import io.quern.cpu.asm.Mem;
import io.quern.cpu.asm.Reg;
import io.quern.cpu.asm.Vec;

/** Moves images of bytes, four channels as one element of 32 bits, by machine code. */
final class ByteMoves {
  private static final int BITS = 512;
  private static final int LANES = BITS / 32;
  private static final int BYTES = BITS / 8;

  /** Channels of an element. */
  static final int CHANNELS = 4;

  private static final MachineFunction INTERLEAVE =
      MachineTier.place("interleave_u8", interleaving());
  private static final MachineFunction COPY = MachineTier.place("copy_rows_i32", copying());

  private ByteMoves() {}

  /**
   * Lays the bytes of up to four channels side by side.
   *
   * @param from address of the first channel
   * @param channel bytes to the next one
   * @param channels how many there are, 1 to 4; the others have the bytes of the last
   * @param fromRow bytes from a row of a channel to the next
   * @param toRow the same of elements
   * @param count elements of a row
   * @param flip what every four bytes are combined with, by exclusive or
   */
  static void interleave(
      long from,
      long channel,
      int channels,
      long fromRow,
      long to,
      long toRow,
      long rows,
      long count,
      int flip) {
    long second = from + (channels > 1 ? channel : 0);
    long third = second + (channels > 2 ? channel : 0);
    long last = third + (channels > 3 ? channel : 0);
    long whole = count / LANES * LANES;
    long rest = (1L << count % LANES) - 1;
    INTERLEAVE.call(
        from,
        second,
        third,
        last,
        fromRow,
        to,
        toRow,
        rows,
        whole,
        rest,
        Integer.toUnsignedLong(flip));
  }

  /** Copies rows of elements. */
  static void copyRows(long from, long fromRow, long to, long toRow, long rows, long count) {
    long whole = count / LANES * BYTES;
    COPY.call(from, fromRow, to, toRow, rows, whole, (1L << count % LANES) - 1, 0);
  }

  /**
   * A function of the addresses of four channels, the bytes from row to row, address and stride of
   * the elements, the rows, the elements of whole vectors, a bit for each one beyond them, and what
   * elements are combined with.
   */
  private static Assembler interleaving() {
    Assembler asm = new Assembler();
    Reg to = R9;
    Reg at = RAX;
    Reg toRow = R10;
    Reg rows = R11;
    Mem rowsParameter = Mem.at(RSP, 16);
    Mem whole = Mem.at(RSP, 24);
    Mask rest = new Mask(1);
    Vec flip = Vec.of(CHANNELS, BITS);
    Label done = asm.label();
    asm.mov(toRow, Mem.at(RSP, 8));
    asm.mov(rows, rowsParameter);
    asm.test(rows, rows);
    asm.jump(Condition.E, done);
    asm.mov(at, Mem.at(RSP, 32));
    asm.kmov(rest, at);
    asm.op(VBROADCASTSS, flip, Mem.at(RSP, 40));
    Label row = asm.here();
    asm.sub(at, at);
    asm.loop(at, whole, LANES, () -> interleaveVector(asm, flip, Mask.ALL));
    interleaveVector(asm, flip, rest);
    for (Reg channel : new Reg[] {RDI, RSI, RDX, RCX}) {
      asm.add(channel, R8);
    }
    asm.add(to, toRow);
    asm.sub(rows, 1);
    asm.jump(Condition.NE, row);
    asm.bind(done);
    asm.vzeroupper();
    asm.ret();
    return asm;
  }

  private static void interleaveVector(Assembler asm, Vec flip, Mask mask) {
    Reg[] channels = {RDI, RSI, RDX, RCX};
    for (int i = 0; i < CHANNELS; i++) {
      Vec x = Vec.of(i, BITS);
      Vec loaded = mask.equals(Mask.ALL) ? x : x.zeroed(mask);
      asm.op(VPMOVZXBD, loaded, Mem.at(channels[i], RAX, 1));
      if (i > 0) {
        asm.shift(Assembler.Shift.VPSLLD, x, x, 8 * i);
      }
    }
    Vec x = Vec.of(0, BITS);
    asm.op(VPORD, x, x, Vec.of(1, BITS));
    asm.op(VPORD, Vec.of(2, BITS), Vec.of(2, BITS), Vec.of(3, BITS));
    asm.op(VPXORD, x, x, flip);
    asm.op(VPXORD, x, x, Vec.of(2, BITS));
    asm.op(VMOVUPS, Mem.at(R9, RAX, 4), mask.equals(Mask.ALL) ? x : x.masked(mask));
  }

  /**
   * A function of the addresses and strides of both matrices, the rows, the bytes of whole vectors
   * and a bit for each element beyond them.
   */
  private static Assembler copying() {
    Assembler asm = new Assembler();
    Reg from = RDI;
    Reg to = RDX;
    Reg rows = R8;
    Reg whole = R9;
    Reg at = RAX;
    Reg rest = R10;
    Mask mask = new Mask(1);
    Vec x = Vec.of(0, BITS);
    Label done = asm.label();
    asm.test(rows, rows);
    asm.jump(Condition.E, done);
    asm.mov(rest, Mem.at(RSP, 8));
    asm.kmov(mask, rest);
    Label row = asm.here();
    asm.sub(at, at);
    asm.loop(
        at,
        whole,
        BYTES,
        () -> {
          asm.op(VMOVUPS, x, Mem.at(from, at, 1));
          asm.op(VMOVUPS, Mem.at(to, at, 1), x);
        });
    asm.unlessZero(
        rest,
        () -> {
          asm.op(VMOVUPS, x.zeroed(mask), Mem.at(from, at, 1));
          asm.op(VMOVUPS, Mem.at(to, at, 1), x.masked(mask));
        });
    asm.add(from, RSI);
    asm.add(to, RCX);
    asm.sub(rows, 1);
    asm.jump(Condition.NE, row);
    asm.bind(done);
    asm.vzeroupper();
    asm.ret();
    return asm;
  }
}
