package io.quern.jmh;

import static io.quern.cpu.asm.Reg.RDI;
import static io.quern.cpu.asm.VectorOp.VPDPBUSD;
import static io.quern.cpu.asm.VectorOp.VXORPS;

import io.quern.DType;
import io.quern.Device;
import io.quern.Quern;
import io.quern.Rng;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.cpu.asm.Assembler;
import io.quern.cpu.asm.Assembler.Condition;
import io.quern.cpu.asm.CodeMemory;
import io.quern.cpu.asm.Label;
import io.quern.cpu.asm.MachineFunction;
import io.quern.cpu.asm.Vec;
import io.quern.op.IntegerMatMul;
import io.quern.plan.Compiled;
import io.quern.runtime.Workers;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Matrix products of unsigned bytes and a constant matrix of signed ones; shape MxKxN. Beside them
 * what the processor can do at most: an assembled loop of their instruction in registers. For
 * processors with AVX-512 VNNI.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(5)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
public class ByteMatmulBenchmark {
  private static final int ROUNDS = 10_000;

  /** Sums in flight: more than latency times units. */
  private static final int SUMS = 24;

  private static final int CHUNKS = 4;
  private static final int BITS = 512;

  /** Sizes of the product. */
  @Param({"512x512x512", "1024x1024x1024"})
  public String shape;

  /** Threads that compute. */
  @Param({"1", "2"})
  public int workers;

  private final MachineFunction loop = CodeMemory.place(loop().finish());
  private Compiled compiled;
  private Tensor[] arguments;
  private Tensor[] result;

  /** Operations of one call of {@link #peak}, a multiplication and an addition for each byte. */
  static double operations() {
    return 2.0 * CHUNKS * ROUNDS * SUMS * BITS / 8;
  }

  /** A function of how often it goes round. */
  private static Assembler loop() {
    Assembler asm = new Assembler();
    for (int i = 0; i < SUMS + 2; i++) {
      Vec low = Vec.of(i, 128);
      asm.op(VXORPS, low, low, low);
    }
    asm.align(32);
    Label next = asm.here();
    for (int i = 0; i < SUMS; i++) {
      asm.op(VPDPBUSD, Vec.of(i, BITS), Vec.of(SUMS, BITS), Vec.of(SUMS + 1, BITS));
    }
    asm.sub(RDI, 1);
    asm.jump(Condition.NE, next);
    asm.vzeroupper();
    asm.ret();
    return asm;
  }

  /** Makes the operands. */
  @Setup(Level.Trial)
  public void setUp() {
    Workers.setThreads(workers);
    long[] sizes = MatmulBenchmark.sizes(shape);
    Rng rng = Rng.of(1);
    Tensor a = rng.uniform(Shape.of(sizes[0], sizes[1]), 0, 256).to(DType.U8);
    Tensor b = rng.uniform(Shape.of(sizes[1], sizes[2]), -128, 128).to(DType.I8);
    Tensor zeroOfA = Tensor.full(128, DType.U8, Device.cpu());
    Tensor zeroOfB = Tensor.full(0, DType.I8, Device.cpu());
    arguments = new Tensor[] {a};
    result = new Tensor[] {Tensor.full(0, DType.I32, Device.cpu(), sizes[0], sizes[2])};
    IntegerMatMul product = new IntegerMatMul(DType.I32);
    compiled =
        Quern.compile(
            Device.cpu(),
            in -> List.of(Tensor.apply(product, in.get(0), zeroOfA, b, zeroOfB)),
            List.of(a.spec()));
  }

  /** One product. */
  @Benchmark
  public void quern() {
    compiled.runInto(arguments, result);
  }

  /** The instruction alone. */
  @Benchmark
  public void peak() {
    Workers.shared().run((one, _) -> one.loop.call(ROUNDS), this, CHUNKS);
  }
}
