package io.quern.cpu.fused;

import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.MachineFunction;
import io.quern.op.ScalarProgram;
import java.util.Optional;

/**
 * Adds up what a chain gives, as machine code, without storing it: element i goes to lane {@code i
 * % 64} of a first set of lanes, and what there is beyond a multiple of 64 elements to a second set
 * behind it. Thread-safe.
 */
final class MachineSum {
  private final MachineFunction code;

  private MachineSum(ScalarProgram program, boolean[] uniform, int copies) {
    this.code =
        MachineTier.place("sum of chain " + program, ChainCode.summing(program, uniform, copies));
  }

  /**
   * The sum of a program in which some inputs have one element only; empty where there is no
   * machine code for it.
   */
  static Optional<MachineSum> of(ScalarProgram program, boolean[] uniform) {
    return FusedLoops.areMachineCode(program)
        ? MachineLoop.withMostCopies(copies -> new MachineSum(program, uniform, copies))
        : Optional.empty();
  }

  /**
   * Adds {@code n} consecutive elements.
   *
   * @param addresses address of a table of longs: where each input and, last, the lanes begin
   */
  void run(long addresses, long n) {
    MachineLoop.call(code, addresses, n, ChainCode.SUMS, 1);
  }
}
