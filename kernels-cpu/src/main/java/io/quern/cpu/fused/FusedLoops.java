package io.quern.cpu.fused;

import io.quern.backend.Operands;
import io.quern.cpu.Trial;
import io.quern.cpu.Twins;
import io.quern.op.ScalarProgram;
import io.quern.runtime.HostMemory;
import io.quern.runtime.Knob;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Raw;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The loops of all chains of the process: machine code, or tile by tile at first and generated when
 * that is compiled. Thread-safe.
 */
public final class FusedLoops {
  private static final Knob CODEGEN =
      Knob.of("quern.codegen", "on", "off runs fused chains function by function, tile by tile");
  private static final int TRIAL = 256;
  private static final Map<Key, Twins<FusedLoop>> LOOPS = new ConcurrentHashMap<>();

  private static final Map<Key, Optional<MachineSum>> SUMS = new ConcurrentHashMap<>();

  private FusedLoops() {}

  private record Key(ScalarProgram program, long uniform) {
    static Key of(ScalarProgram program, boolean[] uniform) {
      long bits = 0;
      for (int i = 0; i < uniform.length; i++) {
        bits |= uniform[i] ? 1L << i : 0;
      }
      return new Key(program, bits);
    }
  }

  /** Whether the loops of a program are machine code. */
  static boolean areMachineCode(ScalarProgram program) {
    return CODEGEN.isOn() && MachineLoop.covers(program);
  }

  /** The loop of a program; {@code uniform} tells the inputs that have one element only. */
  static Twins<FusedLoop> of(ScalarProgram program, boolean[] uniform) {
    boolean[] own = uniform.clone();
    return LOOPS.computeIfAbsent(
        Key.of(program, own),
        key -> {
          if (!CODEGEN.isOn()) {
            return Twins.only(new TiledLoop(program, own));
          }
          return MachineLoop.of(program, own)
              .map(Twins::only)
              .orElseGet(() -> compiled(program, own));
        });
  }

  private static Twins<FusedLoop> compiled(ScalarProgram program, boolean[] uniform) {
    return Twins.ofKernel(
        "chain " + program,
        () -> new TiledLoop(program, uniform),
        () -> GeneratedLoop.of(program, uniform),
        loop -> Trial.run(uniform.length + 1, TRIAL, args -> run(loop, args)));
  }

  /** The sum of a program's results, if there is machine code for it. */
  static Optional<MachineSum> sum(ScalarProgram program, boolean[] uniform) {
    boolean[] own = uniform.clone();
    return SUMS.computeIfAbsent(Key.of(program, own), _ -> MachineSum.of(program, own));
  }

  private static void run(FusedLoop loop, Operands operands) {
    MemoryPool.Block table = HostMemory.shared().allocate(8L * operands.count());
    for (int i = 0; i < operands.count(); i++) {
      Raw.putLong(table.address() + 8L * i, operands.address(i));
    }
    loop.run(table.address(), TRIAL - 3);
    HostMemory.shared().free(table);
  }
}
