package io.quern.cpu.gemm;

import io.quern.backend.Operands;
import io.quern.cpu.MachineTier;
import io.quern.cpu.Trial;
import io.quern.cpu.Twins;
import io.quern.runtime.Raw;

/**
 * Copies every second float, for windows of stride 2. This class is the scalar twin. Thread-safe.
 */
public class EverySecond {
  /** Apart from the class itself, whose subclasses are initialised here. */
  private static final class Chosen {
    private static final int OPERANDS = 3;
    private static final int TRIAL = 256;
    private static final int N = 35;

    static final Twins<EverySecond> TWINS =
        MachineTier.has512Bits()
            ? Twins.only(new MachineEverySecond())
            : Twins.ofKernel(
                "every second float",
                EverySecond::new,
                () -> new VectorEverySecond(),
                one -> Trial.run(OPERANDS, TRIAL, operands -> tryOut(one, operands)));

    private static void tryOut(EverySecond one, Operands o) {
      one.copy(o.address(0), 3 * N, o.address(1));
      one.copyRows(o.address(0), 8 * N, o.address(2), 4 * N, 3, N);
    }
  }

  /** The implementations of this process. */
  public static Twins<EverySecond> twins() {
    return Chosen.TWINS;
  }

  /** Copies {@code count} floats that are 8 bytes apart. */
  public void copy(long from, long count, long to) {
    for (long i = 0; i < count; i++) {
      Raw.putFloat(to + 4 * i, Raw.getFloat(from + 8 * i));
    }
  }

  /** The same for rows, which are so many bytes apart. */
  public void copyRows(long from, long fromRow, long to, long toRow, long rows, long count) {
    for (long i = 0; i < rows; i++) {
      copy(from + i * fromRow, count, to + i * toRow);
    }
  }
}
