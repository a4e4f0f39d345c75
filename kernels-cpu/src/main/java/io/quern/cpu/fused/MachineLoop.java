package io.quern.cpu.fused;

import io.quern.backend.Formulas;
import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.MachineFunction;
import io.quern.cpu.asm.VectorCode;
import io.quern.op.ScalarProgram;
import io.quern.runtime.Raw;
import java.util.Optional;
import java.util.function.IntFunction;

/** The loop of a chain as machine code, which is fast at the first call. Thread-safe. */
public final class MachineLoop extends FusedLoop {

  private final MachineFunction cached;
  private final MachineFunction streamed;
  private final int output;
  private final int copies;

  private MachineLoop(ScalarProgram program, boolean[] uniform, int copies) {
    this.copies = copies;
    this.cached =
        MachineTier.place("chain " + program, ChainCode.storing(program, uniform, copies, false));
    this.streamed =
        MachineTier.place(
            "streamed chain " + program, ChainCode.storing(program, uniform, copies, true));
    this.output = program.inputs();
  }

  /** Whether there is machine code for the functions of a program and so many inputs. */
  public static boolean covers(ScalarProgram program) {
    return MachineTier.has512Bits()
        && ChainCode.coversInputs(program.inputs())
        && Formulas.cover(program);
  }

  /**
   * The loop of a program in which some inputs have one element only; empty where it is not
   * covered, or has more values at a time than there are registers.
   */
  public static Optional<FusedLoop> of(ScalarProgram program, boolean[] uniform) {
    return covers(program)
        ? withMostCopies(copies -> new MachineLoop(program, uniform, copies))
        : Optional.empty();
  }

  /** What computes as many vectors at a time as there are registers for. */
  static <T> Optional<T> withMostCopies(IntFunction<? extends T> make) {
    for (int copies = ChainCode.COPIES; copies > 0; copies--) {
      try {
        return Optional.of(make.apply(copies));
      } catch (VectorCode.TooManyValuesException e) {
        // fewer at a time may do
      }
    }
    return Optional.empty();
  }

  @Override
  public void run(long addresses, long n) {
    call(cached, addresses, n, copies, 1);
  }

  @Override
  void rows(long addresses, int operands, long n, long rows) {
    call(cached, addresses, n, copies, rows);
  }

  @Override
  void stream(long addresses, long n) {
    boolean isAligned = Raw.getLong(addresses + 8L * output) % ChainCode.BYTES == 0;
    call(isAligned ? streamed : cached, addresses, n, copies, 1);
  }

  /** Calls code for rows, at least one, of {@code n} elements in blocks of so many vectors. */
  static void call(MachineFunction code, long addresses, long n, int blockVectors, long rows) {
    int lanes = ChainCode.BITS / 32;
    long vectors = n / lanes;
    long inBlocks = vectors / blockVectors * blockVectors;
    code.call(
        addresses,
        inBlocks * ChainCode.BYTES,
        vectors * ChainCode.BYTES,
        (1L << n % lanes) - 1,
        rows);
  }
}
