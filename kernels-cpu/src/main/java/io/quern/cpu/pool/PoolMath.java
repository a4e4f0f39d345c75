package io.quern.cpu.pool;

import io.quern.cpu.Trial;
import io.quern.cpu.Twins;
import io.quern.op.Pool2d;
import io.quern.runtime.Raw;

/** The inner loops of pooling, of maxima or of sums. This class is the scalar twin. Thread-safe. */
public class PoolMath {
  private static final int TRIAL = 256;

  /** Apart from the class itself, whose subclasses are initialised here. */
  private static final class Chosen {
    static final Twins<PoolMath> MAXIMA = choose("maxima of windows", Pool2d.Fn.MAX);
    static final Twins<PoolMath> SUMS = choose("sums of windows", Pool2d.Fn.AVG);

    private static Twins<PoolMath> choose(String name, Pool2d.Fn fn) {
      if (MachinePoolMath.isUsed()) {
        return Twins.only(new MachinePoolMath(fn));
      }
      return Twins.ofKernel(
          name,
          () -> new PoolMath(fn),
          () -> VectorPoolMath.specialised(fn),
          math ->
              Trial.run(
                  3,
                  TRIAL,
                  o -> {
                    math.fold(o.address(0), 4, 6, TRIAL - 7, o.address(1), o.address(2));
                    math.divide(o.address(1), o.address(2), TRIAL - 7, o.address(0));
                  }));
    }
  }

  private final boolean max;

  PoolMath(Pool2d.Fn fn) {
    this.max = fn == Pool2d.Fn.MAX;
  }

  /** The implementations of this process. */
  public static Twins<PoolMath> twins(Pool2d.Fn fn) {
    return fn == Pool2d.Fn.MAX ? Chosen.MAXIMA : Chosen.SUMS;
  }

  /** Bytes of scratch memory that a call may write to. */
  public static final long SCRATCH = 32;

  /**
   * The maxima or sums of {@code terms} runs of {@code n} floats, of which each begins {@code step}
   * bytes behind the one before; the first two are added first. The result overlaps none of them.
   */
  public void fold(long from, long step, int terms, long n, long to, long scratch) {
    for (long i = 0; i < n; i++) {
      float folded = Raw.getFloat(from + 4 * i);
      for (int term = 1; term < terms; term++) {
        float next = Raw.getFloat(from + term * step + 4 * i);
        folded = max ? Math.max(folded, next) : folded + next;
      }
      Raw.putFloat(to + 4 * i, folded);
    }
  }

  /** Divides {@code n} floats by as many others. */
  void divide(long x, long y, long n, long scratch) {
    for (long at = 0; at < 4 * n; at += 4) {
      Raw.putFloat(x + at, Raw.getFloat(x + at) / Raw.getFloat(y + at));
    }
  }
}
