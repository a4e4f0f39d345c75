package io.quern.cpu.fused;

import static io.quern.cpu.asm.Reg.R10;
import static io.quern.cpu.asm.Reg.R11;
import static io.quern.cpu.asm.Reg.R12;
import static io.quern.cpu.asm.Reg.R13;
import static io.quern.cpu.asm.Reg.R14;
import static io.quern.cpu.asm.Reg.R8;
import static io.quern.cpu.asm.Reg.R9;
import static io.quern.cpu.asm.Reg.RAX;
import static io.quern.cpu.asm.Reg.RBP;
import static io.quern.cpu.asm.Reg.RBX;
import static io.quern.cpu.asm.Reg.RCX;
import static io.quern.cpu.asm.Reg.RDI;
import static io.quern.cpu.asm.Reg.RDX;
import static io.quern.cpu.asm.Reg.RSI;
import static io.quern.cpu.asm.VectorOp.VMOVNTPS;
import static io.quern.cpu.asm.VectorOp.VMOVUPS;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.quern.backend.Formulas;
import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.Assembler;
import io.quern.cpu.asm.Assembler.Condition;
import io.quern.cpu.asm.Label;
import io.quern.cpu.asm.Mask;
import io.quern.cpu.asm.Mem;
import io.quern.cpu.asm.Reg;
import io.quern.cpu.asm.Vec;
import io.quern.cpu.asm.VectorCode;
import io.quern.cpu.asm.VectorOp;
import io.quern.cpu.asm.VectorTrace;
import io.quern.op.ScalarProgram;
import io.quern.runtime.Raw;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** The loop of a chain as machine code, which is fast at the first call. Thread-safe. */
public final class MachineLoop extends FusedLoop {
  private static final int BITS = 512;
  private static final int BYTES = BITS / 8;
  private static final int LANES = BITS / 32;

  /** Vectors that are computed at a time, where registers suffice. */
  private static final int COPIES = 2;

  /** How far ahead memory is asked for, since processors do not look into the next page. */
  private static final int AHEAD = 2048;

  private static final MethodHandle LOOP =
      MachineTier.function(FunctionDescriptor.ofVoid(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG));

  // Parameters: the table of addresses, bytes of whole blocks of vectors, bytes of whole vectors,
  // a bit for each element of the rest.
  private static final Reg TABLE = RDI;
  private static final Reg BLOCKS_END = RSI;
  private static final Reg END = RDX;
  private static final Reg REST = RCX;
  private static final Reg AT = RAX;
  private static final List<Reg> ADDRESSES = List.of(R8, R9, R10, R11, RBX, RBP, R12, R13, R14);
  private static final List<Reg> SAVED = List.of(RBX, RBP, R12, R13, R14);

  private final MemorySegment cached;
  private final MemorySegment streamed;
  private final int output;
  private final int copies;

  private MachineLoop(ScalarProgram program, boolean[] uniform, int copies) {
    this.copies = copies;
    this.cached = MachineTier.place("chain " + program, write(program, uniform, false, copies));
    this.streamed =
        MachineTier.place("streamed chain " + program, write(program, uniform, true, copies));
    this.output = program.inputs();
  }

  /** Whether there is machine code for the functions of a program and so many inputs. */
  public static boolean covers(ScalarProgram program) {
    return MachineTier.has512Bits()
        && program.inputs() < ADDRESSES.size()
        && Formulas.cover(program);
  }

  /**
   * The loop of a program in which some inputs have one element only; empty where it is not
   * covered, or has more values at a time than there are registers.
   */
  public static Optional<FusedLoop> of(ScalarProgram program, boolean[] uniform) {
    if (!covers(program)) {
      return Optional.empty();
    }
    for (int copies = COPIES; copies > 0; copies--) {
      try {
        return Optional.of(new MachineLoop(program, uniform, copies));
      } catch (VectorCode.TooManyValuesException e) {
        // fewer at a time may do
      }
    }
    return Optional.empty();
  }

  private static Assembler write(
      ScalarProgram program, boolean[] uniform, boolean streams, int copies) {
    VectorTrace trace = new VectorTrace();
    List<Integer> inputs = new ArrayList<>();
    for (int i = 0; i < program.inputs(); i++) {
      inputs.add(uniform[i] ? trace.uniform(i) : trace.input(i));
    }
    int result = new Formulas<>(trace).run(program, inputs);
    Assembler asm = new Assembler();
    VectorCode code = new VectorCode(asm, trace, result, i -> Mem.at(ADDRESSES.get(i)), copies, 0);
    SAVED.forEach(asm::push);
    for (int i = 0; i <= program.inputs(); i++) {
      asm.mov(ADDRESSES.get(i), Mem.at(TABLE, 8 * i));
    }
    code.prepare();
    asm.sub(AT, AT);
    VectorOp store = streams ? VMOVNTPS : VMOVUPS;
    Reg output = ADDRESSES.get(program.inputs());
    loop(asm, BLOCKS_END, copies, () -> vectors(asm, code, copies, output, store));
    loop(asm, END, 1, () -> vectors(asm, code, 1, output, store));
    if (streams) {
      asm.sfence();
    }
    Label done = asm.label();
    asm.test(REST, REST);
    asm.jump(Condition.E, done);
    Mask mask = VectorCode.spareMask();
    asm.kmov(mask, REST);
    Vec part =
        code.write(1, (copy, i, to) -> asm.op(VMOVUPS, to.zeroed(mask), at(ADDRESSES.get(i), 0)))
            .getFirst();
    asm.op(VMOVUPS, at(output, 0), part.masked(mask));
    asm.bind(done);
    asm.vzeroupper();
    SAVED.reversed().forEach(asm::pop);
    asm.ret();
    return asm;
  }

  /** Some vectors at a time up to an end, of which there are as many or none. */
  private static void loop(Assembler asm, Reg end, int vectors, Runnable body) {
    Label done = asm.label();
    asm.cmp(AT, end);
    asm.jump(Condition.AE, done);
    asm.align(32);
    Label next = asm.here();
    body.run();
    asm.add(AT, vectors * BYTES);
    asm.cmp(AT, end);
    asm.jump(Condition.B, next);
    asm.bind(done);
  }

  private static void vectors(
      Assembler asm, VectorCode code, int count, Reg output, VectorOp store) {
    List<Vec> results =
        code.write(
            count,
            (copy, i, to) -> {
              asm.op(VMOVUPS, to, at(ADDRESSES.get(i), copy));
              asm.prefetch(at(ADDRESSES.get(i), copy).plus(AHEAD));
            });
    for (int i = 0; i < count; i++) {
      asm.op(store, at(output, i), results.get(i));
    }
  }

  private static Mem at(Reg address, int vector) {
    return Mem.at(address, AT, 1).plus(vector * BYTES);
  }

  @Override
  public void run(long addresses, long n) {
    call(cached, addresses, n);
  }

  @Override
  void stream(long addresses, long n) {
    boolean isAligned = Raw.getLong(addresses + 8L * output) % BYTES == 0;
    call(isAligned ? streamed : cached, addresses, n);
  }

  private void call(MemorySegment code, long addresses, long n) {
    try {
      LOOP.invokeExact(
          code,
          addresses,
          n / ((long) copies * LANES) * copies * BYTES,
          n / LANES * BYTES,
          (1L << n % LANES) - 1);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }
}
