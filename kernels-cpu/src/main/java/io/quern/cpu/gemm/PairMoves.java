package io.quern.cpu.gemm;

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
import static io.quern.cpu.asm.VectorOp.VMOVUPS;
import static io.quern.cpu.asm.VectorOp.VPMOVDW;
import static io.quern.cpu.asm.VectorOp.VPMOVZXWD;
import static io.quern.cpu.asm.VectorOp.VPORD;

import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.Assembler;
import io.quern.cpu.asm.Assembler.Condition;
import io.quern.cpu.asm.Assembler.Shift;
import io.quern.cpu.asm.Label;
import io.quern.cpu.asm.MachineFunction;
import io.quern.cpu.asm.Mask;
import io.quern.cpu.asm.Mem;
import io.quern.cpu.asm.Reg;
import io.quern.cpu.asm.Vec;

/** Moves rows of elements of 16 bits, and lays them side by side in pairs, by machine code. */
public final class PairMoves {
  private static final int BITS = 512;
  private static final int LANES = BITS / 32;
  private static final int HALF = 16;
  private static final Mask REST = new Mask(1);
  private static final Vec FIRST = Vec.of(0, BITS);
  private static final Vec SECOND = Vec.of(1, BITS);

  private static final MachineFunction PAIRS = place("pairs", PairMoves::pairs);
  private static final MachineFunction SINGLES = place("pairs_with_zero", PairMoves::singles);
  private static final MachineFunction COPIES = place("copy_i16_rows", PairMoves::copies);

  private PairMoves() {}

  /**
   * Makes pairs of the elements of two matrices.
   *
   * @param second address of the other matrix, or 0 for zeros
   * @param fromRow bytes from a row of a matrix to the next
   * @param toRow the same of pairs
   * @param rows of each, one or more
   * @param count elements of a row
   */
  public static void interleave(
      long first, long second, long fromRow, long to, long toRow, long rows, long count) {
    long whole = count / LANES * LANES;
    long rest = (1L << count % LANES) - 1;
    (second == 0 ? SINGLES : PAIRS).call(first, second, fromRow, to, toRow, rows, whole, rest);
  }

  /** Copies rows of a matrix. */
  public static void copy(long from, long fromRow, long to, long toRow, long rows, long count) {
    long whole = count / LANES * LANES;
    long rest = (1L << count % LANES) - 1;
    COPIES.call(from, 0, fromRow, to, toRow, rows, whole, rest);
  }

  /** What is done with a vector of a row, at element RAX. */
  private interface Move {
    void write(Assembler asm, Mask mask);
  }

  private static MachineFunction place(String name, Move move) {
    Assembler asm = new Assembler();
    Reg toRow = R8;
    Reg rows = R9;
    Reg whole = R10;
    Reg rest = R11;
    asm.mov(whole, Mem.at(RSP, 8));
    asm.mov(rest, Mem.at(RSP, 16));
    asm.kmov(REST, rest);
    Label next = asm.here();
    asm.sub(RAX, RAX);
    asm.loop(RAX, whole, LANES, () -> move.write(asm, Mask.ALL));
    asm.unlessZero(rest, () -> move.write(asm, REST));
    asm.add(RDI, RDX);
    asm.add(RSI, RDX);
    asm.add(RCX, toRow);
    asm.sub(rows, 1);
    asm.jump(Condition.NE, next);
    asm.vzeroupper();
    asm.ret();
    return MachineTier.place(name, asm);
  }

  private static void pairs(Assembler asm, Mask mask) {
    asm.op(VPMOVZXWD, FIRST.zeroed(mask), Mem.at(RDI, RAX, 2));
    asm.op(VPMOVZXWD, SECOND.zeroed(mask), Mem.at(RSI, RAX, 2));
    asm.shift(Shift.VPSLLD, SECOND, SECOND, HALF);
    asm.op(VPORD, FIRST, FIRST, SECOND);
    asm.op(VMOVUPS, Mem.at(RCX, RAX, 4), FIRST.masked(mask));
  }

  private static void singles(Assembler asm, Mask mask) {
    asm.op(VPMOVZXWD, FIRST.zeroed(mask), Mem.at(RDI, RAX, 2));
    asm.op(VMOVUPS, Mem.at(RCX, RAX, 4), FIRST.masked(mask));
  }

  private static void copies(Assembler asm, Mask mask) {
    asm.op(VPMOVZXWD, FIRST.zeroed(mask), Mem.at(RDI, RAX, 2));
    asm.op(VPMOVDW, Mem.at(RCX, RAX, 2), FIRST.masked(mask));
  }
}
