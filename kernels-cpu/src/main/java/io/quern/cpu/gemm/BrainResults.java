package io.quern.cpu.gemm;

import static io.quern.cpu.asm.VectorOp.VMAXPS;
import static io.quern.cpu.asm.VectorOp.VMOVUPS;
import static io.quern.cpu.asm.VectorOp.VPMOVDW;
import static io.quern.cpu.asm.VectorOp.VPMOVZXWD;
import static io.quern.cpu.asm.VectorOp.VXORPS;

import io.quern.cpu.asm.Assembler;
import io.quern.cpu.asm.Mask;
import io.quern.cpu.asm.Mem;
import io.quern.cpu.asm.Vec;
import org.jspecify.annotations.Nullable;

/** How sums of products of BF16 become BF16. */
final class BrainResults {
  private BrainResults() {}

  /**
   * Code that rounds a vector of sums and stores it. NaN stays NaN.
   *
   * @param sum the vector with the mask of what is stored
   * @param zero a register for zeros if negative numbers become zero, else null
   */
  static void store(Assembler asm, Vec sum, @Nullable Vec zero, Mem to) {
    Vec all = Vec.of(sum.number(), sum.bits());
    Vec half = all.bits(sum.bits() / 2);
    if (zero != null) {
      asm.op(VXORPS, zero.bits(128), zero.bits(128), zero.bits(128));
      asm.op(VMAXPS, all, zero, all); // of a NaN and a number, the second
    }
    asm.toBrainFloats(all, all);
    if (sum.mask().equals(Mask.ALL)) {
      asm.op(VMOVUPS, to, half);
    } else {
      asm.op(VPMOVZXWD, all, half);
      asm.op(VPMOVDW, to, sum);
    }
  }
}
