package io.quern.cpu.gemm;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.quern.cpu.MachineTier;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/** Calls the function of a {@link PanelCode}. Thread-safe. */
final class MachinePanel {
  private static final MethodHandle PANEL =
      MachineTier.function(
          FunctionDescriptor.ofVoid(
              JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG,
              JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG));

  private final MemorySegment code;

  /** Assembles it for tiles of {@link MicroKernel#ROWS} rows of two vectors. */
  MachinePanel(String name, PanelCode.Elements elements, int bits) {
    PanelCode panel = new PanelCode(elements, MicroKernel.ROWS, bits);
    this.code = MachineTier.place(name, panel.write());
  }

  /** {@link MicroKernel#panel}, with k elements of 32 bits. */
  void run(
      long rows,
      long offsets,
      long b,
      long bRow,
      long k,
      long start,
      long startRow,
      long c,
      long cRow,
      long count,
      long columns) {
    long bits = (1L << columns) - 1;
    try {
      PANEL.invokeExact(code, rows, offsets, b, bRow, k, start, startRow, c, cRow, count, bits);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }
}
