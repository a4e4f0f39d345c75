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
import static io.quern.cpu.asm.VectorOp.VPERMT2PS;
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
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Moves images of bytes, four channels as one element of 32 bits, by machine code. */
final class ByteMoves {
  private static final int BITS = 512;
  private static final int LANES = BITS / 32;
  private static final int BYTES = BITS / 8;

  /** Elements of a row that are gathered at a time. */
  static final int MOST = 2 * LANES;

  /** The numbers of even elements of two vectors. */
  private static final Vec NUMBERS = Vec.of(4, BITS);

  private static final MemorySegment EVENS = Arena.ofAuto().allocate(BYTES, BYTES);

  static {
    for (int i = 0; i < LANES; i++) {
      EVENS.setAtIndex(ValueLayout.JAVA_INT, i, 2 * i);
    }
  }

  /** Channels of an element. */
  static final int CHANNELS = 4;

  private static final MachineFunction INTERLEAVE =
      MachineTier.place("interleave_u8", interleaving());
  private static final MachineFunction DENSE = MachineTier.place("gather_i32_rows", gathering(1));
  private static final MachineFunction EVERY_SECOND =
      MachineTier.place("gather_i32_every_second", gathering(2));

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

  /**
   * Gathers a part of a panel: for each offset a row of elements, up to {@value #MOST}, that are so
   * many apart, 1 or 2.
   *
   * @param offsets address of the offsets of the rows, in bytes
   */
  static void gather(
      long from, long offsets, long rows, int stride, long to, long toRow, int count) {
    long read = ((long) count - 1) * stride + 1;
    long bits = read < Long.SIZE ? (1L << read) - 1 : -1;
    (stride == 1 ? DENSE : EVERY_SECOND)
        .call(from, offsets, offsets + 4 * rows, to, toRow, bits, (1L << count) - 1, evens(), 0, 0);
  }

  private static long evens() {
    return EVENS.address();
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
   * A function of the address of the elements, the first and the last offset, the address and
   * stride of what is written, a bit for each element that is read, one for each that is written,
   * and the address of the numbers 0, 2, 4 to 30.
   */
  private static Assembler gathering(int stride) {
    Assembler asm = new Assembler();
    Reg read = R9;
    asm.mov(RAX, read);
    for (int i = 0; i < 2 * stride; i++) {
      asm.kmov(reads(i), RAX);
      asm.shr(RAX, LANES);
    }
    asm.mov(RAX, Mem.at(RSP, 8));
    asm.kmov(writes(0), RAX);
    asm.shr(RAX, LANES);
    asm.kmov(writes(1), RAX);
    if (stride > 1) {
      asm.mov(R11, Mem.at(RSP, 16));
      asm.op(VMOVUPS, NUMBERS, Mem.at(R11));
    }
    Label narrow = asm.label();
    Label end = asm.label();
    asm.test(RAX, RAX);
    asm.jump(Condition.E, narrow);
    gatherRows(asm, stride, 2);
    asm.jmp(end);
    asm.bind(narrow);
    gatherRows(asm, stride, 1);
    asm.bind(end);
    asm.vzeroupper();
    asm.ret();
    return asm;
  }

  private static void gatherRows(Assembler asm, int stride, int vectors) {
    Reg offset = RSI;
    Reg end = RDX;
    Reg to = RCX;
    Reg toRow = R8;
    asm.loop(
        offset,
        end,
        4,
        () -> {
          asm.mov32(RAX, Mem.at(offset));
          for (int i = 0; i < vectors; i++) {
            Vec x = Vec.of(2 * i, BITS);
            Mem from = Mem.at(RDI, RAX, 1).plus(stride * i * BYTES);
            asm.op(VMOVUPS, x.zeroed(reads(stride * i)), from);
            if (stride > 1) {
              Vec next = Vec.of(2 * i + 1, BITS);
              asm.op(VMOVUPS, next.zeroed(reads(stride * i + 1)), from.plus(BYTES));
              asm.op(VPERMT2PS, x, NUMBERS, next);
            }
            asm.op(VMOVUPS, Mem.at(to, i * BYTES), x.masked(writes(i)));
          }
          asm.add(to, toRow);
        });
  }

  private static Mask reads(int i) {
    return new Mask(1 + i);
  }

  private static Mask writes(int i) {
    return new Mask(5 + i);
  }
}
