package io.quern.cpu.elementwise;

import static io.quern.cpu.asm.Reg.RAX;
import static io.quern.cpu.asm.Reg.RCX;
import static io.quern.cpu.asm.Reg.RDI;
import static io.quern.cpu.asm.Reg.RDX;
import static io.quern.cpu.asm.Reg.RSI;
import static io.quern.cpu.asm.VectorOp.VCVTTPS2DQ;
import static io.quern.cpu.asm.VectorOp.VMAXPS;
import static io.quern.cpu.asm.VectorOp.VMINPS;
import static io.quern.cpu.asm.VectorOp.VMOVUPS;
import static io.quern.cpu.asm.VectorOp.VPMOVUSDB;
import static io.quern.cpu.asm.VectorOp.VXORPS;

import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.Assembler;
import io.quern.cpu.asm.Assembler.Condition;
import io.quern.cpu.asm.Label;
import io.quern.cpu.asm.MachineFunction;
import io.quern.cpu.asm.Mask;
import io.quern.cpu.asm.Mem;
import io.quern.cpu.asm.Vec;

/** Floats to unsigned bytes by machine code: towards zero, saturated, NaN to 0. */
final class MachineF32ToU8 implements Loop {
  private static final int BITS = 512;
  private static final int LANES = BITS / 32;
  private static final MachineFunction CODE = MachineTier.place("cast_f32_u8", write());

  /** A function of the addresses of floats and bytes, of whole vectors, and a bit for each rest. */
  private static Assembler write() {
    Assembler asm = new Assembler();
    Vec x = Vec.of(0, BITS);
    Vec zero = Vec.of(1, BITS);
    Mask rest = new Mask(1);
    asm.op(VXORPS, zero.bits(128), zero.bits(128), zero.bits(128));
    asm.kmov(rest, RCX);
    asm.mov(RAX, RDX);
    Label tail = asm.label();
    asm.test(RAX, RAX);
    asm.jump(Condition.E, tail);
    Label next = asm.here();
    asm.op(VMOVUPS, x, Mem.at(RDI));
    convert(asm, x, zero);
    asm.op(VPMOVUSDB, Mem.at(RSI), x);
    asm.add(RDI, BITS / 8);
    asm.add(RSI, LANES);
    asm.sub(RAX, 1);
    asm.jump(Condition.NE, next);
    asm.bind(tail);
    asm.op(VMOVUPS, x.zeroed(rest), Mem.at(RDI));
    convert(asm, x, zero);
    asm.op(VPMOVUSDB, Mem.at(RSI), x.masked(rest));
    asm.vzeroupper();
    asm.ret();
    return asm;
  }

  /** Of a NaN and a number, the maximum is the second. */
  private static void convert(Assembler asm, Vec x, Vec zero) {
    asm.op(VMAXPS, x, x, zero);
    asm.op(VMINPS, x, x, asm.constant(255).repeated(BITS));
    asm.op(VCVTTPS2DQ, x, x);
  }

  @Override
  public void run(long a, long b, long c, long out, long n) {
    CODE.call(a, out, n / LANES, (1L << n % LANES) - 1);
  }
}
