package io.quern.jmh;

import io.quern.Rng;
import io.quern.Tensor;
import io.quern.TensorAccess;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;
import java.util.concurrent.TimeUnit;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;
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
import org.openjdk.jmh.infra.Blackhole;

/** What the machine can do at most: multiply-adds in registers, and reading 64 MiB. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(5)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
public class MachineBenchmark {
  /** Bytes that {@link #read} reads. */
  static final long BYTES = 64L << 20;

  private static final VectorSpecies<Float> F32 = FloatVector.SPECIES_PREFERRED;
  private static final int ROUNDS = 10_000;

  /** Multiply-adds in flight: more than latency times units. */
  private static final int SUMS = 12;

  private static final int PEAK_CHUNKS = 4;
  private static final int CHUNKS = 64;

  /** Threads that compute. */
  @Param({"1", "2"})
  public int workers;

  private Tensor tensor;
  private long address;
  private final float[] sums = new float[CHUNKS * 64];

  /** Floating-point operations of one call of {@link #peak}. */
  static double flops() {
    return 2.0 * PEAK_CHUNKS * F32.length() * SUMS * ROUNDS;
  }

  /** Fills the memory that is read. */
  @Setup(Level.Trial)
  public void setUp() {
    Workers.setThreads(workers);
    tensor = Rng.of(1).uniform(BYTES / 4);
    address = TensorAccess.buffer(tensor).address();
  }

  /** Multiply-adds of numbers in registers. */
  @Benchmark
  public void peak(Blackhole hole) {
    Workers.shared().run(MachineBenchmark::multiplyAdd, this, PEAK_CHUNKS);
    hole.consume(sums);
  }

  private void multiplyAdd(int chunk) {
    FloatVector x = FloatVector.broadcast(F32, 1e-3f * chunk);
    FloatVector y = FloatVector.broadcast(F32, 0.5f);
    FloatVector s0 = x;
    FloatVector s1 = x.add(1);
    FloatVector s2 = x.add(2);
    FloatVector s3 = x.add(3);
    FloatVector s4 = x.add(4);
    FloatVector s5 = x.add(5);
    FloatVector s6 = x.add(6);
    FloatVector s7 = x.add(7);
    FloatVector s8 = x.add(8);
    FloatVector s9 = x.add(9);
    FloatVector s10 = x.add(10);
    FloatVector s11 = x.add(11);
    for (int i = 0; i < ROUNDS; i++) {
      s0 = s0.fma(y, x);
      s1 = s1.fma(y, x);
      s2 = s2.fma(y, x);
      s3 = s3.fma(y, x);
      s4 = s4.fma(y, x);
      s5 = s5.fma(y, x);
      s6 = s6.fma(y, x);
      s7 = s7.fma(y, x);
      s8 = s8.fma(y, x);
      s9 = s9.fma(y, x);
      s10 = s10.fma(y, x);
      s11 = s11.fma(y, x);
    }
    FloatVector low = s0.add(s1).add(s2).add(s3).add(s4).add(s5);
    low.add(s6).add(s7).add(s8).add(s9).add(s10).add(s11).intoArray(sums, 64 * chunk);
  }

  /** Every float once. */
  @Benchmark
  public void read(Blackhole hole) {
    Workers.shared().run(MachineBenchmark::sum, this, CHUNKS);
    hole.consume(sums);
  }

  private void sum(int chunk) {
    FloatVector s0 = FloatVector.zero(F32);
    FloatVector s1 = s0;
    FloatVector s2 = s0;
    FloatVector s3 = s0;
    int step = F32.vectorByteSize();
    long end = address + BYTES / CHUNKS * (chunk + 1);
    for (long at = address + BYTES / CHUNKS * chunk; at < end; at += 4L * step) {
      s0 = s0.add(FloatVector.fromMemorySegment(F32, Raw.ALL, at, Raw.ORDER));
      s1 = s1.add(FloatVector.fromMemorySegment(F32, Raw.ALL, at + step, Raw.ORDER));
      s2 = s2.add(FloatVector.fromMemorySegment(F32, Raw.ALL, at + 2L * step, Raw.ORDER));
      s3 = s3.add(FloatVector.fromMemorySegment(F32, Raw.ALL, at + 3L * step, Raw.ORDER));
    }
    s0.add(s1).add(s2).add(s3).intoArray(sums, 64 * chunk);
  }
}
