package io.quern.cpu.pool;

import static io.quern.cpu.asm.Reg.R10;
import static io.quern.cpu.asm.Reg.R11;
import static io.quern.cpu.asm.Reg.R8;
import static io.quern.cpu.asm.Reg.R9;
import static io.quern.cpu.asm.Reg.RAX;
import static io.quern.cpu.asm.Reg.RBP;
import static io.quern.cpu.asm.Reg.RBX;
import static io.quern.cpu.asm.Reg.RCX;
import static io.quern.cpu.asm.Reg.RDI;
import static io.quern.cpu.asm.Reg.RDX;
import static io.quern.cpu.asm.Reg.RSI;
import static io.quern.cpu.asm.Reg.RSP;
import static io.quern.cpu.asm.VectorOp.VMOVDQU8;
import static io.quern.cpu.asm.VectorOp.VPMAXSB;
import static io.quern.cpu.asm.VectorOp.VPMAXUB;
import static io.quern.cpu.asm.VectorOp.VPMOVWB;

import io.quern.cpu.asm.Assembler;
import io.quern.cpu.asm.Assembler.Condition;
import io.quern.cpu.asm.Label;
import io.quern.cpu.asm.Mask;
import io.quern.cpu.asm.Mem;
import io.quern.cpu.asm.Reg;
import io.quern.cpu.asm.Vec;
import io.quern.cpu.asm.VectorOp;
import java.util.List;

/** Machine code for maxima of bytes, functions of the System V convention. */
final class BytePoolCode {
  private static final int BITS = 512;

  /** Bytes of a vector. */
  static final int BYTES = BITS / 8;

  private static final Vec X = Vec.of(0, BITS);
  private static final Mask REST = new Mask(1);

  private final Assembler asm = new Assembler();

  /**
   * The largest of some arrays, element by element, row by row: a function of the address of the
   * first array, the bytes to the next one, how many there are, where the maxima go, the bytes of
   * whole vectors of a row, a bit for each byte beyond them, the rows, and the bytes from row to
   * row of the arrays and of the maxima.
   */
  Assembler maxima(boolean signed) {
    VectorOp max = signed ? VPMAXSB : VPMAXUB;
    List<Reg> saved = List.of(RBX, RBP);
    saved.forEach(asm::push);
    Reg from = RDI;
    Reg to = RCX;
    Reg end = R8;
    Reg rest = R9;
    Reg rows = R10;
    Reg at = RAX;
    Mem rowsParameter = Mem.at(RSP, 8 * saved.size() + 8);
    asm.mov(rows, rowsParameter);
    asm.kmovAll(REST, rest);
    Label row = asm.here();
    asm.sub(at, at);
    asm.loop(at, end, BYTES, () -> maximum(max, Mask.ALL));
    asm.unlessZero(rest, () -> maximum(max, REST));
    asm.add(from, rowsParameter.plus(8));
    asm.add(to, rowsParameter.plus(16));
    asm.sub(rows, 1);
    asm.jump(Condition.NE, row);
    asm.vzeroupper();
    saved.reversed().forEach(asm::pop);
    asm.ret();
    return asm;
  }

  /** A vector of all arrays. */
  private void maximum(VectorOp max, Mask mask) {
    Reg array = RBX;
    Reg left = RBP;
    Vec next = Vec.of(1, BITS);
    Label done = asm.label();
    asm.mov(array, RDI);
    asm.mov(left, RDX);
    asm.op(VMOVDQU8, loaded(X, mask), Mem.at(array, RAX, 1));
    Label more = asm.here();
    asm.sub(left, 1);
    asm.jump(Condition.E, done);
    asm.add(array, RSI);
    asm.op(VMOVDQU8, loaded(next, mask), Mem.at(array, RAX, 1));
    asm.op(max, X, X, next);
    asm.jmp(more);
    asm.bind(done);
    asm.op(VMOVDQU8, Mem.at(RCX, RAX, 1), X.masked(mask));
  }

  private static Vec loaded(Vec to, Mask mask) {
    return mask.equals(Mask.ALL) ? to : to.zeroed(mask);
  }

  /**
   * Every second byte of rows: a function of the address of the rows, where the bytes go, the bytes
   * that whole vectors give, a bit for each one beyond them, the rows, and the bytes from row to
   * row of what is read and of what is written.
   */
  Assembler everySecond() {
    Reg from = RDI;
    Reg to = RSI;
    Reg end = RDX;
    Reg rest = RCX;
    Reg rows = R8;
    Reg at = RAX;
    asm.kmov(REST, rest);
    asm.mov(R10, Mem.at(RSP, 8));
    Label row = asm.here();
    asm.mov(R11, from);
    asm.sub(at, at);
    Runnable body =
        () -> {
          asm.op(VMOVDQU8, X, Mem.at(R11));
          asm.op(VPMOVWB, Mem.at(to, at, 1), X);
          asm.add(R11, BYTES);
        };
    asm.loop(at, end, BYTES / 2, body);
    asm.unlessZero(
        rest,
        () -> {
          asm.op(VMOVDQU8, X, Mem.at(R11));
          asm.op(VPMOVWB, Mem.at(to, at, 1), X.masked(REST));
        });
    asm.add(from, R9);
    asm.add(to, R10);
    asm.sub(rows, 1);
    asm.jump(Condition.NE, row);
    asm.vzeroupper();
    asm.ret();
    return asm;
  }
}
